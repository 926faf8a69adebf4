// Library: finding and opening the peer's shared library.
#include <dlfcn.h>

#include "peer/calls.h"

#ifdef __SANITIZE_ADDRESS__
// A session of the peer leaves 14 bytes behind, and its own code allocated them.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libonnxruntime\n"; }
#endif

namespace sdx::peer {

namespace fs = std::filesystem;

fs::path library_in(const fs::path& folder) {
#if defined(__x86_64__)
  const char* machine = "x64";
#else
  const char* machine = "arm64";
#endif
  const fs::path bin = folder / "node_modules" / "onnxruntime-node" / "bin";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(bin, ignored)) {
    const fs::path file = entry.path() / "linux" / machine / "libonnxruntime.so.1";
    if (fs::exists(file, ignored)) return file;
  }
  return {};
}

std::shared_ptr<const Library> Library::open(const fs::path& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) fail(ErrorKind::kResource, "cannot open '", path.string(), "': ", dlerror());
  auto* entry = reinterpret_cast<const ApiBase* (*)()>(dlsym(handle, kEntryPoint));
  if (!entry) {
    fail(ErrorKind::kResource, "'", path.string(), "' has no ", kEntryPoint, "; give the path of libonnxruntime.so.1");
  }
  const ApiBase* base = entry();
  const void* const* table = base->table(kAbiVersion);
  if (!table) {
    fail(ErrorKind::kResource, "'", path.string(), "' is ONNX Runtime ", base->version(), ", which lacks version ",
         kAbiVersion, " of its C interface; take 1.14 or newer");
  }
  auto library = std::make_shared<Library>();
  library->version_ = base->version();
  library->calls_ = std::make_shared<const Calls>(table);
  return library;
}

Library::Calls::Calls(const void* const* table) : table_(table) {
  void* env = nullptr;
  (*this)(Slot::kCreateEnv, kLogFatal, "sardonyx", &env);
  env_ = own(env, Slot::kReleaseEnv);
  void* memory = nullptr;
  (*this)(Slot::kCreateCpuMemory, kDeviceAllocator, kDefaultMemory, &memory);
  memory_ = own(memory, Slot::kReleaseMemory);
  (*this)(Slot::kDefaultAllocator, &allocator_);
}

void Library::Calls::check(void* status) const {
  if (!status) return;
  const std::string message = reinterpret_cast<const char* (*)(void*)>(at(Slot::kErrorMessage))(status);
  quiet(Slot::kReleaseStatus, status);
  fail(ErrorKind::kResource, "ONNX Runtime says: ", message);
}

}  // namespace sdx::peer
