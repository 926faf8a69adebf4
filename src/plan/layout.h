// Layout: the sizes and places of a program's values for one binding of its symbols.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "plan/program.h"

namespace sdx::plan {

/// One segment laid out.
struct Layout {
  struct Place {
    SlotId slot;
    Extents extents;
    int64_t offset;  ///< into the segment's arena; -1 for an output, an alias or a known value
    bool grows;      ///< its sizes depend on symbols that grow
  };
  std::vector<Place> places;  ///< arena slots, outputs and aliases of this segment
  std::vector<Tensor> known;  ///< values of kKnown slots, in the order of `known_slots`
  std::vector<SlotId> known_slots;
  std::vector<bool> known_grows;                   ///< of each known value: its elements depend on symbols that grow
  std::vector<const ir::Constraint*> constraints;  ///< of this segment that depend on symbols that grow
  int64_t arena_bytes = 0;
};

/// Checks the constraints of a segment's instructions under `bindings`, evaluates every size and packs the arena.
/// Throws InvalidInput where sizes do not fit each other.
std::shared_ptr<const Layout> make_layout(const Program& program, int segment, std::span<const int64_t> bindings);

/// The elements of a kKnown slot under `bindings`, written to `to`, which has its type and extents.
void write_known(const SlotInfo& slot, std::span<const int64_t> bindings, const View& to);

/// True where what a layout made for larger values of the growing symbols reserves is enough under `bindings`, and the
/// constraints hold. Throws InvalidInput where sizes do not fit each other.
bool fits(const Program& program, const Layout& layout, std::span<const int64_t> bindings);

/// A tensor's lifetime in an arena.
struct Span {
  int64_t bytes;
  int first, last;  ///< instructions, both included
  int64_t offset = 0;
};
/// Gives every span an offset, multiples of 64, so that spans alive at the same time do not overlap. Returns the
/// arena's size. Greedy by size: the largest first, each at the lowest free place.
int64_t pack(std::span<Span> spans);

}  // namespace sdx::plan
