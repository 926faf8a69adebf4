// What this processor can do, as text for logs and bug reports.
#pragma once

#include <string>

namespace sdx {

/// For example "x86_64: sse4.2 avx2 fma f16c avx512f avx512bw avx512vnni". Only what kernels may use is listed.
std::string cpu_description();

}  // namespace sdx
