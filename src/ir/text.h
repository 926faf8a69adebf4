// The text form of graphs: what `dump` prints and what cases of rules are written in.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ir/graph.h"

namespace sdx::ir {

/// One statement a line, in an order that computes:
///
///   input %x: float32[batch,seq,4]
///   const %w: float32[2,2] = 1 2 3 4          (long constants: "= ..." when printed, "= seed 7" to fill when read)
///   known %s: int64[2] = batch, 2*seq
///   %y = Softmax{axis=-1}(%x)
///   %a, _ = com.microsoft.Foo(%x, _, %w)      ("_" is an absent input or an output that nobody wants)
///   %r = If(%c; %x) {                         (captures after the semicolon; one block a body)
///     …
///   }
///   output %y
///
/// Attribute values are ints, floats (with a point or exponent), "strings" and [lists]. "#" begins a comment.
std::string print(const Graph& graph);

using FindOp = std::function<const Op*(std::string_view domain, std::string_view name)>;

/// Reads the text form. Throws InvalidModel with the line for whatever is not in it, and what Graph::add throws.
Graph parse(std::string_view text, const FindOp& find_op);

}  // namespace sdx::ir
