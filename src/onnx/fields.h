// Field numbers of the messages in onnx.proto and onnx-data.proto, for the reader and the writer.
#pragma once

#include <cstdint>

namespace sdx::onnx::fields {

namespace entry {
enum : uint32_t { kKey = 1, kValue = 2 };
}
namespace opset {
enum : uint32_t { kDomain = 1, kVersion = 2 };
}
namespace tensor {
enum : uint32_t {
  kDims = 1,
  kDataType = 2,
  kSegment = 3,
  kFloatData = 4,
  kInt32Data = 5,
  kStringData = 6,
  kInt64Data = 7,
  kName = 8,
  kRawData = 9,
  kDoubleData = 10,
  kUint64Data = 11,
  kDoc = 12,
  kExternalData = 13,
  kDataLocation = 14,
};
}
namespace sparse_tensor {
enum : uint32_t { kValues = 1, kIndices = 2, kDims = 3 };
}
namespace shape {
enum : uint32_t { kDim = 1 };
}
namespace dim {
enum : uint32_t { kValue = 1, kParam = 2 };
}
namespace type {
enum : uint32_t { kTensor = 1, kSequence = 4, kMap = 5, kOpaque = 7, kSparseTensor = 8, kOptional = 9 };
}
namespace tensor_type {
enum : uint32_t { kElemType = 1, kShape = 2 };
}
namespace element_type {
enum : uint32_t { kElement = 1 };
}
namespace map_type {
enum : uint32_t { kKeyType = 1, kValueType = 2 };
}
namespace value_info {
enum : uint32_t { kName = 1, kType = 2, kDoc = 3 };
}
namespace attribute {
enum : uint32_t {
  kName = 1,
  kF = 2,
  kI = 3,
  kS = 4,
  kT = 5,
  kG = 6,
  kFloats = 7,
  kInts = 8,
  kStrings = 9,
  kTensors = 10,
  kGraphs = 11,
  kDoc = 13,
  kTp = 14,
  kTypeProtos = 15,
  kType = 20,
  kRefAttrName = 21,
  kSparseTensor = 22,
  kSparseTensors = 23,
};
}
namespace node {
enum : uint32_t {
  kInput = 1,
  kOutput = 2,
  kName = 3,
  kOpType = 4,
  kAttribute = 5,
  kDoc = 6,
  kDomain = 7,
  kOverload = 8,
};
}
namespace graph {
enum : uint32_t {
  kNode = 1,
  kName = 2,
  kInitializer = 5,
  kDoc = 10,
  kInput = 11,
  kOutput = 12,
  kValueInfo = 13,
  kSparseInitializer = 15,
  kMetadataProps = 16,
};
}
namespace function {
enum : uint32_t {
  kName = 1,
  kInput = 4,
  kOutput = 5,
  kAttribute = 6,
  kNode = 7,
  kDoc = 8,
  kOpsetImport = 9,
  kDomain = 10,
  kAttributeProto = 11,
  kValueInfo = 12,
  kOverload = 13,
  kMetadataProps = 14,
};
}
namespace model {
enum : uint32_t {
  kIrVersion = 1,
  kProducerName = 2,
  kProducerVersion = 3,
  kDomain = 4,
  kModelVersion = 5,
  kDoc = 6,
  kGraph = 7,
  kOpsetImport = 8,
  kMetadataProps = 14,
  kFunctions = 25,
};
}
namespace sequence {
enum : uint32_t {
  kName = 1,
  kElemType = 2,
  kTensors = 3,
  kSparseTensors = 4,
  kSequences = 5,
  kMaps = 6,
  kOptionals = 7,
};
}
namespace map {
enum : uint32_t { kName = 1, kKeyType = 2, kKeys = 3, kStringKeys = 4, kValues = 5 };
}
namespace optional {
enum : uint32_t {
  kName = 1,
  kElemType = 2,
  kTensor = 3,
  kSparseTensor = 4,
  kSequence = 5,
  kMap = 6,
  kOptional = 7,
};
}

}  // namespace sdx::onnx::fields
