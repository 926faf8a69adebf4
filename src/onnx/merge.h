// The steps of the reader: each merges the bytes of one message into its struct, as protobuf merges messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "onnx/model_view.h"

namespace sdx::onnx {

/// Messages (nodes, attributes, tensors, types, …) of one file. A message costs at most about 300 bytes of memory.
inline constexpr int64_t kMaxMessages = 10'000'000;

/// What all steps of reading one file share: the limits, counted.
class ReadContext {
 public:
  /// Counts one message; throws Resource beyond kMaxMessages.
  void count_message() {
    if (++messages_ > kMaxMessages) too_many();
  }

  /// One level of nesting for as long as it lives; throws InvalidModel beyond kMaxGraphDepth.
  class Level {
   public:
    Level(ReadContext& context, const char* what) : context_(context) {
      if (++context_.depth_ > kMaxDepth) context_.too_deep(what);
    }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --context_.depth_; }

   private:
    ReadContext& context_;
  };

  /// Runs `body` and, when it throws an Error, puts place() in front of the trail. In deeply nested graphs only the
  /// innermost and the outermost places are kept.
  template <class Place, class Body>
  void at(Place place, Body body) {
    try {
      body();
    } catch (Error& error) {
      add_place(error, [&] { return std::string(place()); });
      throw;
    }
  }

 private:
  static const int kMaxDepth;
  template <class Text>
  void add_place(Error& error, Text text) const {
    constexpr size_t kLongestTrail = 8;
    const size_t length = error.trail().size();
    if (length < kLongestTrail || depth_ <= 1) {
      error.within(text());
    } else if (length == kLongestTrail) {
      error.within("…");
    }
  }
  [[noreturn]] void too_many() const;
  [[noreturn]] void too_deep(const char* what);

  int64_t messages_ = 0;
  int depth_ = 0;
};

void merge(std::string_view bytes, StringPair& out, ReadContext& context);
void merge(std::string_view bytes, OpsetView& out, ReadContext& context);
void merge(std::string_view bytes, TensorView& out, ReadContext& context);
void merge(std::string_view bytes, SparseTensorView& out, ReadContext& context);
void merge(std::string_view bytes, TypeView& out, ReadContext& context);
void merge(std::string_view bytes, ValueInfoView& out, ReadContext& context);
void merge(std::string_view bytes, AttributeView& out, ReadContext& context);
void merge(std::string_view bytes, NodeView& out, ReadContext& context);
void merge(std::string_view bytes, GraphView& out, ReadContext& context);
void merge(std::string_view bytes, FunctionView& out, ReadContext& context);
void merge(std::string_view bytes, ModelView& out, ReadContext& context);

/// Appends one element to `list` and merges `bytes` into it.
template <class View>
void append(std::string_view bytes, std::vector<View>& list, ReadContext& context) {
  context.count_message();
  merge(bytes, list.emplace_back(), context);
}

}  // namespace sdx::onnx
