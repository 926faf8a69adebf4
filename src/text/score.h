// Scores of pieces, as the reference reads them.
#pragma once

namespace sdx::text {

/// The number that the native reference makes of the digits of `exact`. Its JSON reader rounds twice: the digits to 53
/// bits, and their quotient by a power of ten. Segmentations with equal sums win or lose by that last bit.
/// The digits are taken to be the shortest ones, as every writer of such files prints them.
double twice_rounded(double exact);

}  // namespace sdx::text
