// What this processor can do: as text for logs and bug reports, and where kernels have to know.
#pragma once

#include <string>

namespace sdx {

/// For example "x86_64: sse4.2 avx2 fma f16c avx512f avx512bw avx512vnni". Only what kernels may use is listed.
std::string cpu_description();

/// Whether this processor reads memory fastest in one rising order with nothing fetched by instructions. So does Zen 4;
/// Zen 5 and Intel's server processors do not. Zen 3, of one family with Zen 4, counts too, but lacks the vectors that
/// ask for it.
bool cpu_fetches_best_alone();

}  // namespace sdx
