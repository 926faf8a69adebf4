// Sizes: numbers for the symbols in the shapes of a model's inputs, as given or such that the model accepts them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.h"

namespace sdx::cli {

/// Sizes for a model's symbols, given or by default.
class Sizes {
 public:
  /// `program` outlives the object.
  explicit Sizes(const plan::Program& program);

  /// Binds the symbols of a shape to those of a value. Throws InvalidInput where they contradict what is bound.
  void bind(const Shape& shape, const Extents& extents);
  /// The same for an input of which only the shape is given; also settles a shape of unknown rank.
  void bind_input(const std::string& name, const Shape& shape, const Extents& extents);
  /// False where there is no such symbol.
  bool bind_symbol(const std::string& name, int64_t size);
  /// The extents of an input, with a default for each symbol still unbound: the number that the program demands of it
  /// (channels of a convolution), else 1 for batches and what has no telling name,
  /// 8 for lengths, 64 for heights and widths, 3 for channels, 4 for a past (0 where the
  /// model has an input use_cache_branch, which is false by default); masks of an undeclared length cover the
  /// past and the new tokens.
  Extents extents_of(const engine::Port& port);
  /// Gives every input a size and then changes the defaults among them until the program's own conditions hold, as far
  /// as changing one symbol at a time leads: masks as long as what they mask, frames for which the positions are made,
  /// signals longer than a window. What the caller gave is never changed.
  void settle(const std::vector<engine::Port>& inputs);

 private:
  bool holds(const ir::Constraint& constraint) const;
  bool repair(const ir::Constraint& constraint);
  bool search(int symbol, const ir::Constraint& constraint);
  void set_default(int symbol, int64_t size);
  int64_t preset(int symbol) const;
  int64_t past_preset() const;
  int64_t sum_of_lengths();
  std::optional<int64_t> sum_of_terms(std::string_view text);

  const plan::Program& program_;
  const SymbolTable& symbols_;
  Bindings bindings_;
  std::vector<bool> is_default_;  ///< symbols whose sizes nobody asked for
  std::map<std::string, Extents> given_;
};

}  // namespace sdx::cli
