// Error: the one exception that the public API throws.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sardonyx {

/// What went wrong, from the point of view of the person who can mend it.
enum class ErrorKind {
  InvalidModel,      ///< a file breaks its format or the standard
  UnsupportedModel,  ///< valid, but this build has no implementation for it
  InvalidInput,      ///< an input of a run, an option or an argument is wrong, or a file cannot be opened
  Resource,          ///< memory, time or a size limit is exceeded
  Cancelled,         ///< the caller asked to stop, or the deadline passed
  Internal,          ///< a bug in Sardonyx
};

/// Name of a kind, for example "InvalidModel".
inline const char* kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::InvalidModel: return "InvalidModel";
    case ErrorKind::UnsupportedModel: return "UnsupportedModel";
    case ErrorKind::InvalidInput: return "InvalidInput";
    case ErrorKind::Resource: return "Resource";
    case ErrorKind::Cancelled: return "Cancelled";
    case ErrorKind::Internal: return "Internal";
  }
  return "Internal";
}

/// Thrown by every function of the public API. what() is "place → place → message".
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string text, std::string message, std::vector<std::string> where)
      : std::runtime_error(std::move(text)), kind_(kind), message_(std::move(message)), where_(std::move(where)) {}

  ErrorKind kind() const { return kind_; }
  /// The last sentence alone, without the places.
  const std::string& message() const { return message_; }
  /// Places from the outermost to the innermost.
  const std::vector<std::string>& where() const { return where_; }

 private:
  ErrorKind kind_;
  std::string message_;
  std::vector<std::string> where_;
};

}  // namespace sardonyx
