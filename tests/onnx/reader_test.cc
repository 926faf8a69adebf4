// The reader on hand-built messages, on damaged ones and on the tiny models.
#include "onnx/reader.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "base/limits.h"
#include "base/mapped_file.h"
#include "onnx/fields.h"
#include "onnx/tensor_data.h"
#include "sample_model.h"
#include "shared_models.h"
#include "wire_builder.h"

namespace sdx::onnx {
namespace {

using test::attribute;
using test::Message;
using test::model_of;
using test::node;
using test::small_model;
namespace f = fields;

Error error_of(std::string_view bytes) {
  try {
    read_model(bytes);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "the reader accepted a bad model";
  return Error(ErrorKind::kInternal, "no error");
}

TEST(Reader, ReadsEveryPartOfAModel) {
  const Message message = small_model();
  const ModelView model = read_model(message.str());
  EXPECT_EQ(model.ir_version, 13);
  EXPECT_EQ(model.producer_name, "test");
  EXPECT_EQ(model.opset_imports, (std::vector<OpsetView>{{"", 21}}));
  EXPECT_EQ(model.metadata_props, (std::vector<StringPair>{{"k", "v"}}));
  ASSERT_EQ(model.functions.size(), 1u);
  EXPECT_EQ(model.functions[0].attributes, std::vector<std::string_view>{"axis"});
  EXPECT_EQ(model.functions[0].nodes[0].op_type, "Relu");
  EXPECT_EQ(model.graph.name, "main");
  ASSERT_EQ(model.graph.nodes.size(), 1u);
  const NodeView& op = model.graph.nodes[0];
  EXPECT_EQ(op.inputs, (std::vector<std::string_view>{"x", ""}));
  EXPECT_EQ(op.domain, "my");
  EXPECT_EQ(op.overload, "o");
  ASSERT_EQ(op.attributes.size(), 3u);
  EXPECT_EQ(op.attributes[0].kind, AttributeView::Kind::kGraph);
  EXPECT_EQ(op.attributes[0].graphs.at(0).nodes.at(0).op_type, "Identity");
  EXPECT_EQ(op.attributes[1].f, 0.25f);
  EXPECT_EQ(op.attributes[2].ints, (std::vector<int64_t>{-1, 2, 3}));
  const TypeView& type = model.graph.inputs.at(0).type;
  EXPECT_EQ(type.kind, TypeView::Kind::kTensor);
  EXPECT_EQ(type.elem_type, DataType::kFloat);
  ASSERT_EQ(type.dims.size(), 3u);
  EXPECT_EQ(type.dims[0].param, "batch");
  EXPECT_EQ(type.dims[1].value, 2);
  EXPECT_EQ(type.dims[2].kind, DimView::Kind::kUnknown);
  const SharedBytes weights = inline_bytes(model.graph.initializers.at(0));
  float values[2];
  ASSERT_EQ(weights.bytes.size(), sizeof values);
  std::memcpy(values, weights.bytes.data(), sizeof values);
  EXPECT_EQ(values[0], 1.5f);
  EXPECT_EQ(values[1], -2.0f);
}

TEST(Reader, BorrowsRawDataFromTheFile) {
  Message tensor = Message().integer(f::tensor::kDims, 3).integer(f::tensor::kDataType, 2);
  tensor.bytes(f::tensor::kRawData, "abc");
  const TensorView view = read_tensor(tensor.str());
  const SharedBytes bytes = inline_bytes(view);
  EXPECT_EQ(bytes.text(), "abc");
  EXPECT_GE(bytes.text().data(), tensor.str().data());
  EXPECT_LT(bytes.text().data(), tensor.str().data() + tensor.str().size());
  EXPECT_EQ(bytes.owner, nullptr);
}

TEST(Reader, MergesRepeatedSingleFieldsAsProtobufDoes) {
  const Message first = Message().message(f::graph::kNode, node("Relu")).bytes(f::graph::kName, "a");
  const Message second = Message().message(f::graph::kNode, node("Tanh")).bytes(f::graph::kName, "b");
  const Message twice = model_of(first).message(f::model::kGraph, second);
  const ModelView model = read_model(twice.str());
  EXPECT_EQ(model.graph.nodes.size(), 2u);
  EXPECT_EQ(model.graph.name, "b");
  const Message type = Message()
                           .message(f::type::kTensor, Message().integer(f::tensor_type::kElemType, 1))
                           .message(f::type::kOptional, Message())
                           .message(f::type::kTensor, Message().integer(f::tensor_type::kElemType, 7));
  EXPECT_EQ(read_type(type.str()).kind, TypeView::Kind::kTensor);
  EXPECT_EQ(read_type(type.str()).elem_type, DataType::kInt64);
}

TEST(Reader, SkipsUnknownFields) {
  Message op = node("Relu").integer(99, 5).bytes(100, "x").float32(101, 1).float64(102, 1);
  EXPECT_EQ(read_node(op.str()).op_type, "Relu");
}

TEST(Reader, ReadsNestedTypes) {
  const Message tensor = Message().message(f::type::kTensor, Message().integer(f::tensor_type::kElemType, 8));
  const Message map = Message().message(
      f::type::kMap, Message().integer(f::map_type::kKeyType, 7).message(f::map_type::kValueType, tensor));
  const Message sequence = Message().message(f::type::kSequence, Message().message(f::element_type::kElement, map));
  const Message optional_bytes =
      Message().message(f::type::kOptional, Message().message(f::element_type::kElement, sequence));
  const TypeView type = read_type(optional_bytes.str());
  EXPECT_EQ(type.kind, TypeView::Kind::kOptional);
  EXPECT_EQ(type.element.at(0).kind, TypeView::Kind::kSequence);
  const TypeView& inner = type.element[0].element.at(0);
  EXPECT_EQ(inner.kind, TypeView::Kind::kMap);
  EXPECT_EQ(inner.elem_type, DataType::kInt64);
  EXPECT_EQ(inner.element.at(0).elem_type, DataType::kString);
  EXPECT_FALSE(inner.element[0].has_shape);
}

TEST(Reader, SaysWhereAnErrorIs) {
  const Message bad = attribute("alpha", AttributeView::Kind::kFloat).bytes(f::attribute::kF, "no");
  Message op = node("Elu").bytes(f::node::kName, "act/1").message(f::node::kAttribute, bad);
  const Message graph = Message().message(f::graph::kNode, op).bytes(f::graph::kName, "main");
  const Error error = error_of(model_of(graph).str());
  EXPECT_EQ(error.kind(), ErrorKind::kInvalidModel);
  EXPECT_EQ(error.trail(),
            (std::vector<std::string>{"model", "graph 'main'", "node 'act/1' (Elu)", "attribute 'alpha'"}));
  EXPECT_NE(error.message().find("'f'"), std::string::npos) << error.what();
}

TEST(Reader, RejectsAttributesWithoutExactlyOneValue) {
  const auto message_of = [](const Message& bad) {
    const Message graph = Message().message(f::graph::kNode, node("X").message(f::node::kAttribute, bad));
    return error_of(model_of(graph).str()).message();
  };
  using Kind = AttributeView::Kind;
  EXPECT_NE(message_of(attribute("a", Kind::kInt).float32(f::attribute::kF, 1)).find("declared as int"),
            std::string::npos);
  EXPECT_NE(message_of(attribute("a", Kind::kTensor)).find("no value"), std::string::npos);
  EXPECT_NE(message_of(attribute("a", Kind::kInt).integer(f::attribute::kI, 1).bytes(f::attribute::kS, "")).find("one"),
            std::string::npos);
  EXPECT_NE(message_of(attribute("", Kind::kInt)).find("no name"), std::string::npos);
  const Message graph = Message().message(f::graph::kNode, Message().bytes(f::node::kName, "n"));
  EXPECT_NE(error_of(model_of(graph).str()).message().find("op_type"), std::string::npos);
}

TEST(Reader, TakesEmptyPackedLists) {
  Message op = node("X");
  op.message(f::node::kAttribute, attribute("a", AttributeView::Kind::kFloats).bytes(f::attribute::kFloats, ""));
  op.message(f::node::kAttribute, attribute("b", AttributeView::Kind::kInts).bytes(f::attribute::kInts, ""));
  const NodeView view = read_node(op.str());
  EXPECT_TRUE(view.attributes.at(0).floats.empty());
  EXPECT_TRUE(view.attributes.at(1).ints.empty());
}

TEST(Reader, InfersTheKindInFilesOfTheFirstVersion) {
  const Message old = Message().bytes(f::attribute::kName, "axis").integer(f::attribute::kI, 3);
  const Message op = node("X").message(f::node::kAttribute, old);
  const NodeView view = read_node(op.str());
  EXPECT_EQ(view.attributes.at(0).kind, AttributeView::Kind::kInt);
  EXPECT_EQ(view.attributes[0].i, 3);
}

TEST(Reader, RejectsAbsurdNestingWithOneShortError) {
  Message graph;
  for (int i = 0; i < 10'000; ++i) {
    const Message branch = attribute("b", AttributeView::Kind::kGraph).message(f::attribute::kG, graph);
    graph = Message().message(f::graph::kNode, node("If").message(f::node::kAttribute, branch));
  }
  const Error error = error_of(model_of(graph).str());
  EXPECT_EQ(error.kind(), ErrorKind::kInvalidModel);
  EXPECT_NE(error.message().find("nested more than 64"), std::string::npos);
  EXPECT_EQ(error.trail().front(), "model");
  EXPECT_LT(std::string(error.what()).size(), 500u);

  Message type;
  for (int i = 0; i < 10'000; ++i) {
    type = Message().message(f::type::kOptional, Message().message(f::element_type::kElement, type));
  }
  EXPECT_THROW(read_type(type.str()), Error);
}

TEST(Reader, NestsAsDeepAsTheLimit) {
  Message graph;
  for (int i = 0; i < kMaxGraphDepth - 1; ++i) {
    const Message branch = attribute("b", AttributeView::Kind::kGraph).message(f::attribute::kG, graph);
    graph = Message().message(f::graph::kNode, node("If").message(f::node::kAttribute, branch));
  }
  EXPECT_NO_THROW(read_model(model_of(graph).str()));
}

TEST(Reader, RejectsWhatIsNotAModel) {
  EXPECT_NE(error_of("").message().find("empty"), std::string::npos);
  EXPECT_NE(error_of("version https://git-lfs.github.com/spec/v1\noid sha256:0").message().find("git lfs pull"),
            std::string::npos);
  EXPECT_NE(error_of("<html></html>").message().find("text"), std::string::npos);
  EXPECT_NE(error_of(Message().integer(f::model::kIrVersion, 8).str()).message().find("no graph"), std::string::npos);
  EXPECT_NE(error_of(std::string("\x08\x08\x3a\xff\xff\xff\xff\x7f", 8)).message().find("claims"), std::string::npos);
}

TEST(Reader, RejectsEveryTruncationOrReadsLess) {
  const std::string whole = small_model().str();
  const ModelView full = read_model(whole);
  for (size_t size = 0; size < whole.size(); ++size) {
    // A copy of exact size, so that a sanitizer sees any read past the end.
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    try {
      EXPECT_FALSE(read_model({cut.data(), cut.size()}) == full) << "cut at " << size;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidModel) << error.what();
    }
  }
}

TEST(Reader, SurvivesFlippedBits) {
  const std::string whole = small_model().str();
  std::mt19937 random(20240601);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = whole;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[random() % bytes.size()] ^= static_cast<char>(1u << (random() % 8));
    }
    try {
      const ModelView model = read_model(bytes);
      for (const TensorView& tensor : model.graph.initializers) {
        if (!tensor.external && tensor.type != DataType::kString) inline_bytes(tensor);
      }
    } catch (const Error& error) {
      EXPECT_NE(error.kind(), ErrorKind::kInternal) << error.what();
    }
  }
}

void count_ops(const GraphView& graph, std::map<std::string, int>& counts) {
  for (const NodeView& op : graph.nodes) {
    const std::string prefix = op.domain.empty() ? "" : std::string(op.domain) + "::";
    ++counts[prefix + std::string(op.op_type)];
    for (const AttributeView& value : op.attributes) {
      for (const GraphView& body : value.graphs) count_ops(body, counts);
    }
  }
}

/// Compares with what the makers of the models wrote down about them, with the standard's own library.
TEST(Reader, ReadsEveryTinyModelCompletely) {
  const auto files = test::tiny_models();
  if (files.empty()) GTEST_SKIP() << "no shared models";
  int described = 0;
  for (const auto& path : files) {
    SCOPED_TRACE(path.string());
    const auto file = MappedFile::open(path);
    const ModelView model = read_model(MappedFile::share(file).text());
    for (const TensorView& tensor : model.graph.initializers) {
      EXPECT_EQ(inline_bytes(tensor).bytes.size(), storage_bytes(tensor)) << tensor.name;
    }
    std::ifstream text(path.parent_path() / "ops.json");
    if (!text) continue;
    const auto facts = nlohmann::json::parse(text).value(path.filename().string(), nlohmann::json());
    if (facts.is_null()) continue;
    ++described;
    std::map<std::string, int> counts;
    count_ops(model.graph, counts);
    EXPECT_EQ(counts, (facts["ops"].get<std::map<std::string, int>>()));
    if (!facts.contains("inputs")) continue;
    EXPECT_EQ(model.graph.initializers.size(), facts["initializers"].get<size_t>());
    EXPECT_EQ(model.ir_version, facts["ir_version"].get<int64_t>());
    ASSERT_EQ(model.graph.inputs.size(), facts["inputs"].size());
    for (size_t i = 0; i < model.graph.inputs.size(); ++i) {
      const ValueInfoView& input = model.graph.inputs[i];
      EXPECT_EQ(input.name, facts["inputs"][i]["name"].get<std::string>());
      EXPECT_EQ(type_name(input.type.elem_type), facts["inputs"][i]["dtype"].get<std::string>());
      EXPECT_EQ(input.type.dims.size(), facts["inputs"][i]["shape"].size());
    }
  }
  EXPECT_GT(described, 20);
}

}  // namespace
}  // namespace sdx::onnx
