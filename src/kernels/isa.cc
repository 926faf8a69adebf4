// Isa: naming, listing and limiting the instruction sets through Highway's dispatch.
#include "kernels/isa.h"

#include <atomic>

#include "kernels/gemm_split.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
int64_t compiled_target() { return HWY_TARGET; }
}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {

HWY_EXPORT(compiled_target);

Isa from_target(int64_t target) {
  switch (target) {
    case HWY_AVX3: return Isa::kAvx512;
    case HWY_AVX2: return Isa::kAvx2;
    case HWY_SSE4: return Isa::kSse4;
    case HWY_NEON: return Isa::kNeon;
    default: return Isa::kOther;
  }
}

// Instructions on bytes stand beside the sets that Highway chooses from.
std::atomic<bool> units_allowed = true, bytes_allowed = true;

}  // namespace

const SplitKernels* unit_kernels() {
  return units_allowed.load(std::memory_order_relaxed) ? amx_split_kernels() : nullptr;
}
const SplitKernels* split_kernels() {
  if (const SplitKernels* kernels = unit_kernels()) return kernels;
  return bytes_allowed.load(std::memory_order_relaxed) ? vnni_split_kernels() : nullptr;
}

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kAmx: return "amx";
    case Isa::kVnni: return "vnni";
    case Isa::kAvx512: return "avx512";
    case Isa::kAvx2: return "avx2";
    case Isa::kSse4: return "sse4";
    case Isa::kNeon: return "neon";
    case Isa::kOther: return "other";
  }
  return "other";
}

Isa active_isa() {
  if (unit_kernels() != nullptr) return Isa::kAmx;
  if (split_kernels() != nullptr) return Isa::kVnni;
  return from_target(HWY_DYNAMIC_DISPATCH(compiled_target)());
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (int64_t target : hwy::SupportedAndGeneratedTargets()) isas.push_back(from_target(target));
  if (isas.empty()) isas.push_back(from_target(HWY_DYNAMIC_DISPATCH(compiled_target)()));
  if (vnni_split_kernels() != nullptr) isas.insert(isas.begin(), Isa::kVnni);
  if (amx_split_kernels() != nullptr) isas.insert(isas.begin(), Isa::kAmx);
  return isas;
}

void limit_isa(Isa best) {
  units_allowed = best == Isa::kOther || best >= Isa::kAmx;
  bytes_allowed = best == Isa::kOther || best >= Isa::kVnni;
  int64_t disabled = 0;
  for (int64_t target : {HWY_AVX3_DL, HWY_AVX3, HWY_AVX2, HWY_SSE4}) {
    if (best != Isa::kOther && from_target(target) > best) disabled |= target;
  }
  hwy::DisableTargets(disabled);
}

}  // namespace sdx::kernels
#endif
