// The messages of an ONNX file as plain structs that borrow their strings and weights from the file's bytes.
//
// Names and comments of fields follow the standard (onnx.proto, IR version 13). Everything is as the file says it:
// nothing here is checked against the operators, the shapes or the graph. Left out, because inference has no use for
// them: training_info, quantization_annotation, device configurations, denotations, opaque types and the
// metadata_props below graphs and functions. Every struct compares by value.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "onnx/data_type.h"

namespace sdx::onnx {

/// A key with its value: metadata_props and external_data entries.
struct StringPair {
  std::string_view key;
  std::string_view value;
  bool operator==(const StringPair&) const = default;
};

/// Where a tensor keeps its elements. At most one place may be used.
enum class DataField : uint8_t { kNone, kRaw, kFloat, kInt32, kInt64, kDouble, kUint64, kString };

/// A run of encoded numbers inside the file: the payload of a packed field, or consecutive single fields, each with
/// its tag before it.
struct NumberRun {
  std::string_view bytes;
  bool tagged = false;
};

/// TensorProto. Read the elements with the functions of onnx/tensor_data.h.
struct TensorView {
  std::string_view name;
  std::string_view doc;
  std::vector<int64_t> dims;
  DataType type = DataType::kUndefined;
  DataField field = DataField::kNone;
  bool external = false;                  ///< data_location is EXTERNAL: the elements are where `external_data` says
  std::string_view raw;                   ///< kRaw: little-endian elements, packed types packed, no alignment promised
  std::vector<NumberRun> runs;            ///< kFloat … kUint64: the values as they are encoded in the file
  std::vector<std::string_view> strings;  ///< kString
  std::vector<StringPair> external_data;  ///< location, offset, length, checksum, …
  bool operator==(const TensorView& other) const;
};

/// SparseTensorProto: `values` [NNZ], `indices` [NNZ] (linear) or [NNZ, rank], in increasing order.
struct SparseTensorView {
  TensorView values;
  TensorView indices;
  std::vector<int64_t> dims;
  bool operator==(const SparseTensorView&) const = default;
};

/// One dimension of a declared shape.
struct DimView {
  enum class Kind : uint8_t { kUnknown, kValue, kParam };
  Kind kind = Kind::kUnknown;
  int64_t value = 0;       ///< kValue; some exporters write 0 or -1 for "unknown"
  std::string_view param;  ///< kParam: the name of a symbol
  bool operator==(const DimView&) const = default;
};

/// TypeProto.
struct TypeView {
  enum class Kind : uint8_t { kNone, kTensor, kSparseTensor, kSequence, kMap, kOptional, kOpaque };
  Kind kind = Kind::kNone;
  DataType elem_type = DataType::kUndefined;  ///< of a (sparse) tensor; of the keys of a map
  bool has_shape = false;                     ///< false: even the rank is unknown
  std::vector<DimView> dims;
  std::vector<TypeView> element;  ///< 0 or 1: type of a sequence's elements, a map's values, an optional's content
  bool operator==(const TypeView&) const = default;
};

/// ValueInfoProto: a graph's input, output or intermediate value.
struct ValueInfoView {
  std::string_view name;
  std::string_view doc;
  TypeView type;  ///< kNone where the file gives no type
  bool operator==(const ValueInfoView&) const = default;
};

struct GraphView;

/// AttributeProto. `kind` tells which single member is meaningful; when `ref_attr_name` is set none is, and the value
/// is that of the calling function's attribute of that name.
struct AttributeView {
  /// AttributeProto.AttributeType with its numbers on the wire.
  enum class Kind : int32_t {
    kUndefined = 0,
    kFloat = 1,
    kInt = 2,
    kString = 3,
    kTensor = 4,
    kGraph = 5,
    kFloats = 6,
    kInts = 7,
    kStrings = 8,
    kTensors = 9,
    kGraphs = 10,
    kSparseTensor = 11,
    kSparseTensors = 12,
    kType = 13,
    kTypes = 14,
  };
  std::string_view name;
  std::string_view ref_attr_name;
  std::string_view doc;
  Kind kind = Kind::kUndefined;
  float f = 0;
  int64_t i = 0;
  std::string_view s;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string_view> strings;
  std::vector<TensorView> tensors;               ///< kTensor (exactly 1) and kTensors
  std::vector<GraphView> graphs;                 ///< kGraph (exactly 1) and kGraphs
  std::vector<SparseTensorView> sparse_tensors;  ///< kSparseTensor (exactly 1) and kSparseTensors
  std::vector<TypeView> types;                   ///< kType (exactly 1) and kTypes
  bool operator==(const AttributeView& other) const;
};

/// "float", "ints", "sparse_tensor", …, or "attribute type 99".
std::string kind_name(AttributeView::Kind kind);

/// NodeProto. An empty input or output name stands for an optional one that is left out.
struct NodeView {
  std::string_view name;
  std::string_view op_type;
  std::string_view domain;    ///< "" and "ai.onnx" both mean the standard's own operators
  std::string_view overload;  ///< picks among functions of the same domain and name
  std::string_view doc;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<AttributeView> attributes;
  bool operator==(const NodeView&) const = default;
};

/// GraphProto.
struct GraphView {
  std::string_view name;
  std::string_view doc;
  std::vector<NodeView> nodes;
  std::vector<TensorView> initializers;
  std::vector<SparseTensorView> sparse_initializers;
  std::vector<ValueInfoView> inputs;
  std::vector<ValueInfoView> outputs;
  std::vector<ValueInfoView> value_info;
  std::vector<StringPair> metadata_props;
  bool operator==(const GraphView&) const = default;
};

/// OperatorSetIdProto.
struct OpsetView {
  std::string_view domain;
  int64_t version = 0;
  bool operator==(const OpsetView&) const = default;
};

/// FunctionProto: an operator defined by a graph of other operators.
struct FunctionView {
  std::string_view name;
  std::string_view domain;
  std::string_view overload;
  std::string_view doc;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<std::string_view> attributes;     ///< names of the attributes that have no default
  std::vector<AttributeView> attribute_protos;  ///< attributes with their defaults
  std::vector<NodeView> nodes;
  std::vector<OpsetView> opset_imports;
  std::vector<ValueInfoView> value_info;
  std::vector<StringPair> metadata_props;
  bool operator==(const FunctionView&) const = default;
};

/// ModelProto.
struct ModelView {
  int64_t ir_version = 0;
  std::string_view producer_name;
  std::string_view producer_version;
  std::string_view domain;
  int64_t model_version = 0;
  std::string_view doc;
  std::vector<OpsetView> opset_imports;
  std::vector<StringPair> metadata_props;
  GraphView graph;
  std::vector<FunctionView> functions;
  bool operator==(const ModelView&) const = default;
};

}  // namespace sdx::onnx
