// Finding the peer's library.
#include "cli/peer_flags.h"

#include "base/error.h"

namespace sdx::cli {

namespace fs = std::filesystem;

std::shared_ptr<const peer::Library> open_peer(const std::string& given) {
  if (!given.empty()) return peer::Library::open(given);
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  // The program lies in build/<preset>/bin.
  for (const fs::path& folder : {program.parent_path() / ".." / ".." / "peer", fs::path("build") / "peer"}) {
    const fs::path library = peer::library_in(folder);
    if (!library.empty()) return peer::Library::open(library);
  }
  fail(ErrorKind::kResource,
       "ONNX Runtime is not installed; run tools/peer/install.sh, or give its libonnxruntime.so.1 with --ort");
}

}  // namespace sdx::cli
