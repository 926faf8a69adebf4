// Reading AttributeProto: exactly one value, of the declared kind.
#include <tuple>

#include "onnx/fields.h"
#include "onnx/merge.h"
#include "onnx/wire.h"

namespace sdx::onnx {
namespace {

using Kind = AttributeView::Kind;

/// Reads one attribute; `found_` is the kind of the value seen so far.
class AttributeReader {
 public:
  AttributeReader(AttributeView& out, ReadContext& context) : out_(out), context_(context) {}

  void read(std::string_view bytes) {
    FieldCursor cursor(bytes, "attribute");
    while (cursor.next()) read_field(cursor);
    settle_kind();
  }

 private:
  void read_field(FieldCursor& cursor) {
    switch (cursor.field()) {
      case fields::attribute::kName: out_.name = cursor.bytes("name"); break;
      case fields::attribute::kRefAttrName: out_.ref_attr_name = cursor.bytes("ref_attr_name"); break;
      case fields::attribute::kDoc: out_.doc = cursor.bytes("doc_string"); break;
      case fields::attribute::kType: out_.kind = static_cast<Kind>(cursor.integer("type")); break;
      case fields::attribute::kF: claim(Kind::kFloat), out_.f = cursor.float32("f"); break;
      case fields::attribute::kI: claim(Kind::kInt), out_.i = cursor.integer("i"); break;
      case fields::attribute::kS: claim(Kind::kString), out_.s = cursor.bytes("s"); break;
      case fields::attribute::kFloats: claim(Kind::kFloats), cursor.floats("floats", out_.floats); break;
      case fields::attribute::kInts: claim(Kind::kInts), cursor.integers("ints", out_.ints); break;
      case fields::attribute::kStrings: claim(Kind::kStrings), out_.strings.push_back(cursor.bytes("strings")); break;
      case fields::attribute::kT: single(Kind::kTensor, cursor.bytes("t"), out_.tensors); break;
      case fields::attribute::kG: single(Kind::kGraph, cursor.bytes("g"), out_.graphs); break;
      case fields::attribute::kSparseTensor:
        single(Kind::kSparseTensor, cursor.bytes("sparse_tensor"), out_.sparse_tensors);
        break;
      case fields::attribute::kTp: single(Kind::kType, cursor.bytes("tp"), out_.types); break;
      case fields::attribute::kTensors: several(Kind::kTensors, cursor.bytes("tensors"), out_.tensors); break;
      case fields::attribute::kGraphs: several(Kind::kGraphs, cursor.bytes("graphs"), out_.graphs); break;
      case fields::attribute::kSparseTensors:
        several(Kind::kSparseTensors, cursor.bytes("sparse_tensors"), out_.sparse_tensors);
        break;
      case fields::attribute::kTypeProtos: several(Kind::kTypes, cursor.bytes("type_protos"), out_.types); break;
      default: cursor.skip();
    }
  }

  void claim(Kind kind) {
    if (found_ != Kind::kUndefined && found_ != kind) {
      fail(ErrorKind::kInvalidModel, "has a value of kind ", kind_name(found_), " and one of kind ", kind_name(kind),
           " but may have only one; keep one of them");
    }
    found_ = kind;
  }

  template <class View>
  void single(Kind kind, std::string_view bytes, std::vector<View>& list) {
    claim(kind);
    if (list.empty()) {
      append(bytes, list, context_);
    } else {
      merge(bytes, list.front(), context_);
    }
  }

  template <class View>
  void several(Kind kind, std::string_view bytes, std::vector<View>& list) {
    claim(kind);
    append(bytes, list, context_);
  }

  void settle_kind() {
    if (out_.name.empty()) fail(ErrorKind::kInvalidModel, "an attribute has no name; the file is damaged");
    // Files of IR version 1 declare no kind.
    if (out_.kind == Kind::kUndefined) out_.kind = found_;
    if (found_ != Kind::kUndefined && found_ != out_.kind) {
      fail(ErrorKind::kInvalidModel, "is declared as ", kind_name(out_.kind), " but holds a value of kind ",
           kind_name(found_), "; export the model again");
    }
    if (found_ == Kind::kUndefined && out_.ref_attr_name.empty() && needs_value(out_.kind)) {
      fail(ErrorKind::kInvalidModel, "is declared as ", kind_name(out_.kind),
           " but has no value; export the model again");
    }
  }

  /// Numbers and strings that are absent are 0 or empty (proto3 does not write those), and so are lists.
  static bool needs_value(Kind kind) {
    return kind == Kind::kUndefined || kind == Kind::kTensor || kind == Kind::kGraph || kind == Kind::kSparseTensor ||
           kind == Kind::kType;
  }

  AttributeView& out_;
  ReadContext& context_;
  Kind found_ = Kind::kUndefined;
};

}  // namespace

std::string kind_name(Kind kind) {
  constexpr const char* kNames[] = {"undefined",      "float",      "int",        "string",  "tensor", "graph",
                                    "floats",         "ints",       "strings",    "tensors", "graphs", "sparse_tensor",
                                    "sparse_tensors", "type_proto", "type_protos"};
  const auto index = static_cast<uint32_t>(kind);
  if (index < std::size(kNames)) return kNames[index];
  return "attribute type " + std::to_string(static_cast<int32_t>(kind));
}

void merge(std::string_view bytes, AttributeView& out, ReadContext& context) {
  AttributeReader(out, context).read(bytes);
}

bool AttributeView::operator==(const AttributeView& other) const {
  const auto members = [](const AttributeView& a) {
    return std::tie(a.name, a.ref_attr_name, a.doc, a.kind, a.f, a.i, a.s, a.floats, a.ints, a.strings, a.tensors,
                    a.graphs, a.sparse_tensors, a.types);
  };
  return members(*this) == members(other);
}

}  // namespace sdx::onnx
