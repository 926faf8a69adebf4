// Random inputs that a model accepts: sizes bound consistently, values by what the input is for.
#pragma once

#include <map>
#include <memory>
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

 private:
  int64_t preset(int symbol) const;
  int64_t past_preset() const;
  int64_t sum_of_lengths();
  std::optional<int64_t> sum_of_terms(std::string_view text);

  const plan::Program& program_;
  const SymbolTable& symbols_;
  Bindings bindings_;
  std::map<std::string, Extents> given_;
};

/// Fills the empty values of `values`, one for each input. The same seed gives the same values on every machine:
/// floats are standard normal; a bool is false; integers are ones in a mask, 0, 1, 2, … along the last axis (after the
/// past) for position ids, zeros for token types, and otherwise below the rows of the table that they index, or 2.
void fill_random(const engine::Model& model, Sizes& sizes, uint64_t seed, std::vector<Value>& values);

}  // namespace sdx::cli
