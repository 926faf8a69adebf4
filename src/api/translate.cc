// Translation of sdx::Error, and of the standard library's exceptions, to sardonyx::Error.
#include "api/translate.h"

#include <new>
#include <string>

namespace sdx::api {
namespace {

sardonyx::ErrorKind public_kind(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidModel: return sardonyx::ErrorKind::InvalidModel;
    case ErrorKind::kUnsupportedModel: return sardonyx::ErrorKind::UnsupportedModel;
    case ErrorKind::kInvalidInput: return sardonyx::ErrorKind::InvalidInput;
    case ErrorKind::kResource: return sardonyx::ErrorKind::Resource;
    case ErrorKind::kCancelled: return sardonyx::ErrorKind::Cancelled;
    case ErrorKind::kInternal: return sardonyx::ErrorKind::Internal;
  }
  return sardonyx::ErrorKind::Internal;
}

}  // namespace

sardonyx::Error translate(std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const sardonyx::Error& e) {
    return e;
  } catch (const Error& e) {
    return sardonyx::Error(public_kind(e.kind()), e.what(), e.message(), e.trail());
  } catch (const std::bad_alloc&) {
    return sardonyx::Error(sardonyx::ErrorKind::Resource, "out of memory", "out of memory", {});
  } catch (const std::exception& e) {
    return sardonyx::Error(sardonyx::ErrorKind::Internal, e.what(), e.what(), {});
  }
}

}  // namespace sdx::api
