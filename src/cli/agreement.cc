// Agreement: how far two results are from each other.
#include "cli/agreement.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/elements.h"

namespace sdx::cli {

Agreement agreement(const Tensor& a, const Tensor& b, const std::vector<int64_t>& lengths) {
  Agreement out;
  if (!a.defined() || !b.defined() || a.dtype() != b.dtype() || !(a.extents() == b.extents())) {
    out.difference = std::numeric_limits<double>::infinity();
    return out;
  }
  const Extents& e = a.extents();
  const int64_t longest = lengths.empty() ? 0 : *std::ranges::max_element(lengths);
  const bool padded =
      !lengths.empty() && e.rank() >= 2 && e[0] == static_cast<int64_t>(lengths.size()) && e[1] == longest;
  const int64_t inner = padded ? e.product(2, e.rank()) : 1;
  for (int64_t i = 0; i < e.count(); ++i) {
    if (padded && i / inner % longest >= lengths[static_cast<size_t>(i / (inner * longest))]) continue;
    const double x = element(a.view(), i), y = element(b.view(), i);
    if (std::isfinite(y)) out.scale = std::max(out.scale, std::abs(y));
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double d = std::abs(x - y);
    out.difference = std::isnan(d) ? std::numeric_limits<double>::infinity() : std::max(out.difference, d);
  }
  return out;
}

}  // namespace sdx::cli
