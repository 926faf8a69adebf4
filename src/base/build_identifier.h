// Which build of the program this is.
#pragma once

#include <string>

namespace sdx {

/// The identifier that the linker has put into the program or library that holds this code; "" where it did not.
std::string build_identifier();

}  // namespace sdx
