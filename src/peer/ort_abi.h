// The C ABI of ONNX Runtime's shared library as far as the comparison needs it: a table of functions by slot number.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sdx::peer {

/// What OrtGetApiBase() returns: the table for a version of the ABI (null where the library is older), and the
/// library's version as text.
struct ApiBase {
  const void* const* (*table)(uint32_t abi_version);
  const char* (*version)();
};
inline constexpr const char* kEntryPoint = "OrtGetApiBase";
/// Every slot below is at its place from this version on; slots never move.
inline constexpr uint32_t kAbiVersion = 14;

/// Places in the table. Functions return a status, null for success, unless said otherwise.
enum class Slot : int {
  kErrorMessage = 2,       ///< (status) -> text
  kCreateEnv = 3,          ///< (log level, log name, &env)
  kCreateSession = 7,      ///< (env, path, options, &session)
  kRun = 9,                ///< (session, run options, names, values, count, output names, count, &values)
  kCreateOptions = 10,     ///< (&options)
  kSetOptimization = 23,   ///< (options, level)
  kSetIntraThreads = 24,   ///< (options, count)
  kInputCount = 30,        ///< (session, &count)
  kOutputCount = 31,       ///< (session, &count)
  kInputType = 33,         ///< (session, index, &type)
  kInputName = 36,         ///< (session, index, allocator, &text)
  kOutputName = 37,        ///< (session, index, allocator, &text)
  kTensorOver = 49,        ///< (memory, data, bytes, dims, rank, type, &value)
  kIsTensor = 50,          ///< (value, &int)
  kTensorData = 51,        ///< (value, &data)
  kTensorOfType = 55,      ///< (type, &type and shape), which belongs to the type
  kElementType = 60,       ///< (type and shape, &type)
  kRank = 61,              ///< (type and shape, &rank)
  kDims = 62,              ///< (type and shape, dims, rank)
  kTypeAndShape = 65,      ///< (value, &type and shape)
  kCreateCpuMemory = 69,   ///< (allocator kind, memory kind, &memory)
  kFree = 76,              ///< (allocator, pointer)
  kDefaultAllocator = 78,  ///< (&allocator)
  kReleaseEnv = 92,        ///< (env), as all that release: returns nothing
  kReleaseStatus = 93,
  kReleaseMemory = 94,
  kReleaseSession = 95,
  kReleaseValue = 96,
  kReleaseType = 98,
  kReleaseTypeAndShape = 99,
  kReleaseOptions = 100,
  kSetConfig = 130,      ///< (options, key, value)
  kRunBinding = 133,     ///< (session, run options, binding)
  kCreateBinding = 134,  ///< (session, &binding)
  kReleaseBinding = 135,
  kBindInput = 136,          ///< (binding, name, value)
  kBindOutput = 137,         ///< (binding, name, value)
  kBindOutputTo = 138,       ///< (binding, name, memory)
  kBoundValues = 140,        ///< (binding, allocator, &array of values, &count)
  kClearBoundInputs = 141,   ///< (binding): returns nothing
  kClearBoundOutputs = 142,  ///< (binding): returns nothing
};

inline constexpr int kLogFatal = 4;  ///< what else goes wrong comes back as a status
inline constexpr int kOptimizeAll = 99;
inline constexpr int kDeviceAllocator = 0;
inline constexpr int kDefaultMemory = 0;

}  // namespace sdx::peer
