// The one function through which internal errors become public ones.
#pragma once

#include <utility>

#include "base/error.h"
#include "sardonyx/error.h"

namespace sdx::api {

/// The public error for the exception in flight. Call it inside a catch block.
sardonyx::Error translate(std::exception_ptr error);

/// Runs `body` and rethrows whatever it throws as a sardonyx::Error.
template <class Body>
auto guarded(Body&& body) -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (...) {
    throw translate(std::current_exception());
  }
}

}  // namespace sdx::api
