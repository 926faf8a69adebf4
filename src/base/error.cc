// Error: composing the text that a person reads.
#include "base/error.h"

namespace sdx {

std::string_view kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidModel: return "InvalidModel";
    case ErrorKind::kUnsupportedModel: return "UnsupportedModel";
    case ErrorKind::kInvalidInput: return "InvalidInput";
    case ErrorKind::kResource: return "Resource";
    case ErrorKind::kCancelled: return "Cancelled";
    case ErrorKind::kInternal: return "Internal";
  }
  return "Internal";
}

Error& Error::within(std::string place) {
  // Layers that each name the same thing say it once.
  if (!trail_.empty() && trail_.front() == place) return *this;
  trail_.insert(trail_.begin(), std::move(place));
  compose();
  return *this;
}

void Error::compose() {
  text_.clear();
  for (const std::string& place : trail_) text_ += place + " → ";
  text_ += message_;
}

}  // namespace sdx
