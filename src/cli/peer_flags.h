// Finding the peer's library: by flag, or where tools/peer/install.sh puts it.
#pragma once

#include <memory>
#include <string>

#include "peer/peer.h"

namespace sdx::cli {

/// Opens `given`, or the library below build/peer of the folder of this program or of the current one. Throws Resource
/// with the command that installs it where there is none.
std::shared_ptr<const peer::Library> open_peer(const std::string& given);

}  // namespace sdx::cli
