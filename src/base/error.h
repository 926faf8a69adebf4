// Error: the one exception of the library, with a kind and a trail of places.
#pragma once

#include <cstdint>
#include <exception>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sdx {

/// What went wrong, from the point of view of the person who can mend it.
enum class ErrorKind : uint8_t {
  kInvalidModel,      ///< the file breaks the format or the standard
  kUnsupportedModel,  ///< valid, but this build has no implementation for it
  kInvalidInput,      ///< an input of a run, an option or an argument is wrong, or a file cannot be opened
  kResource,          ///< memory, time or a size limit is exceeded
  kCancelled,         ///< the caller asked to stop, or the deadline passed
  kInternal,          ///< a bug in Sardonyx
};

/// Name of a kind as printed and as given in JSON: "InvalidModel", "UnsupportedModel", ….
std::string_view kind_name(ErrorKind kind);

/// Thrown during load, rewrite, plan and input checking. what() is "place → place → message".
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) { compose(); }

  ErrorKind kind() const { return kind_; }
  /// The last sentence alone, without the trail.
  const std::string& message() const { return message_; }
  /// Places from the outermost to the innermost, for example {"node 'attn/Softmax'", "attribute 'axis'"}.
  const std::vector<std::string>& trail() const { return trail_; }
  const char* what() const noexcept override { return text_.c_str(); }

  /// Adds an outer place in front of the trail. Use as `catch (Error& e) { e.within(...); throw; }`.
  Error& within(std::string place);

 private:
  void compose();

  ErrorKind kind_;
  std::string message_;
  std::vector<std::string> trail_;
  std::string text_;
};

/// Concatenates anything that can be streamed.
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream out;
  ((out << parts), ...);
  return std::move(out).str();
}

/// Throws an Error whose message is the concatenation of `parts`.
template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
  throw Error(kind, cat(parts...));
}

}  // namespace sdx
