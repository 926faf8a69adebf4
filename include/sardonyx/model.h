// Model and Session: loading an ONNX model and running it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sardonyx/error.h"

namespace sardonyx {

/// Element types, numbered as in the standard.
enum class DataType : uint8_t {
  Undefined = 0,
  Float32 = 1,
  Uint8 = 2,
  Int8 = 3,
  Uint16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,
  Bool = 9,
  Float16 = 10,
  Float64 = 11,
  Uint32 = 12,
  Uint64 = 13,
  Complex64 = 14,
  Complex128 = 15,
  BFloat16 = 16,
  Float8E4M3FN = 17,
  Float8E4M3FNUZ = 18,
  Float8E5M2 = 19,
  Float8E5M2FNUZ = 20,
  Uint4 = 21,
  Int4 = 22,
  Float4E2M1 = 23,
  Float8E8M0 = 24,
  Uint2 = 25,
  Int2 = 26,
};

/// The DataType of a C++ type.
template <class T>
inline constexpr DataType data_type_of = DataType::Undefined;
template <>
inline constexpr DataType data_type_of<float> = DataType::Float32;
template <>
inline constexpr DataType data_type_of<double> = DataType::Float64;
template <>
inline constexpr DataType data_type_of<int8_t> = DataType::Int8;
template <>
inline constexpr DataType data_type_of<uint8_t> = DataType::Uint8;
template <>
inline constexpr DataType data_type_of<int16_t> = DataType::Int16;
template <>
inline constexpr DataType data_type_of<uint16_t> = DataType::Uint16;
template <>
inline constexpr DataType data_type_of<int32_t> = DataType::Int32;
template <>
inline constexpr DataType data_type_of<uint32_t> = DataType::Uint32;
template <>
inline constexpr DataType data_type_of<int64_t> = DataType::Int64;
template <>
inline constexpr DataType data_type_of<uint64_t> = DataType::Uint64;
template <>
inline constexpr DataType data_type_of<bool> = DataType::Bool;
template <>
inline constexpr DataType data_type_of<std::string> = DataType::String;

/// A dense row-major tensor. Copies share the elements. Strings are std::string objects.
class Tensor {
 public:
  Tensor() = default;
  /// Owns its elements, which are not initialised (strings are empty).
  Tensor(DataType type, std::vector<int64_t> shape);
  /// Owns a copy of `values`, as many as the shape says; throws InvalidInput otherwise.
  template <class T>
  static Tensor of(std::vector<int64_t> shape, const std::vector<T>& values) {
    Tensor out(data_type_of<T>, std::move(shape));
    out.require_count(values.size());
    for (size_t i = 0; i < values.size(); ++i) out.template data<T>()[i] = values[i];
    return out;
  }
  /// Borrows `data`, aligned for its type, which stays alive and unchanged while this tensor or a copy of it is used.
  static Tensor borrow(DataType type, std::vector<int64_t> shape, void* data);

  DataType type() const { return type_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  /// Number of elements.
  size_t size() const { return count_; }
  /// Bytes of the elements; types below 8 bits are packed, low bits first.
  size_t bytes() const;
  void* raw() const { return data_; }
  /// The elements as T; throws InvalidInput where the tensor is of another type.
  template <class T>
  T* data() const {
    require_type(data_type_of<T>);
    return static_cast<T*>(data_);
  }

 private:
  friend struct Access;
  void require_type(DataType type) const;
  void require_count(size_t count) const;

  DataType type_ = DataType::Undefined;
  std::vector<int64_t> shape_;
  size_t count_ = 0;
  void* data_ = nullptr;
  std::shared_ptr<const void> owner_;
};

using Tensors = std::map<std::string, Tensor, std::less<>>;

/// What an input or output of a model is.
struct ValueInfo {
  std::string name;
  DataType type = DataType::Undefined;
  /// A number, or an expression over the model's symbols ("batch", "past + 1"), for each dimension; nothing where even
  /// the rank is unknown.
  std::optional<std::vector<std::string>> shape;
};

/// How floats may be computed. There is one policy so far: half types are stored as they are and computed in float32.
/// On matrix units (AMX) a float is a number of 24 bits under a scale that its row, column or tile shares; rows of
/// similar magnitude then have the error of float32 sums. The rule "split-products" switches that off for products with
/// weights.
enum class Precision : uint8_t { Float32 };

struct Options {
  int threads = 0;  ///< threads of a run, the calling one included; 0: every CPU of this process
  Precision precision = Precision::Float32;
  int64_t memory_limit = 0;  ///< bytes that loading and running may allocate beyond mapped files; 0: none
  /// A folder in which packed weights are kept, made where there is none; "": they are packed at each load. Later
  /// processes then load in a fraction of the time and share the memory. May be deleted at any time; what is damaged is
  /// found and packed again.
  std::string weight_folder;
  bool rewrite = true;  ///< false: the graph runs as it was exported
  /// Tokens that the input "attention_mask" (0 and 1 only) excludes are not computed, in models whose attention
  /// excludes exactly those, by lowering their scores by 10,000 or more: their rows of the outputs are zeros, the
  /// others as without. Batches of mixed lengths run faster.
  bool zero_padding = false;
  std::vector<std::string> rules_off;  ///< names of rewrite rules that shall not run
  /// Receives one line for each step of loading; must not throw.
  std::function<void(std::string_view)> log;
};

/// A flag by which any thread can stop runs.
class CancellationToken {
 public:
  CancellationToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
  void cancel() { *flag_ = true; }
  bool cancelled() const { return *flag_; }

 private:
  friend class Session;
  friend class Generator;
  std::shared_ptr<std::atomic<bool>> flag_;
};

/// One operator of a profiled run.
struct ProfileEntry {
  std::string op, node;
  std::chrono::nanoseconds start;  ///< since the run began
  std::chrono::nanoseconds duration;
};

struct RunOptions {
  std::optional<CancellationToken> cancel;                        ///< a run that it stops throws Cancelled
  std::optional<std::chrono::steady_clock::time_point> deadline;  ///< a run that passes it throws Cancelled
  std::vector<ProfileEntry>* profile = nullptr;                   ///< receives the run's operators in order
  uint64_t seed = 0;                                              ///< of operators that sample
};

/// A compiled model: immutable, cheap to copy, shared by sessions.
class Model {
 public:
  /// Loads a .onnx file, or a folder that holds one as model.onnx or onnx/model.onnx. Weights stay mapped.
  static Model load(const std::string& path, const Options& options = {});

  const std::vector<ValueInfo>& inputs() const;
  const std::vector<ValueInfo>& outputs() const;
  /// Key and value pairs that the exporter wrote into the file.
  const std::map<std::string, std::string>& metadata() const;
  /// Instructions that a run executes.
  size_t instructions() const;

 private:
  friend class Session;
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

/// Runs a model; run() may be called from several threads at once.
class Session {
 public:
  explicit Session(Model model);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  /// Runs the model on inputs by name. `outputs`: tensors whose memory receives the outputs of those names; the shapes
  /// must be those that come out. Returns every output. Throws InvalidInput, Resource or Cancelled.
  Tensors run(const Tensors& inputs, const RunOptions& options = {}, const Tensors& outputs = {}) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sardonyx
