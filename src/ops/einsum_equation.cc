// EinsumEquation: reading the text of an equation.
#include "ops/einsum_equation.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "base/error.h"

namespace sdx::ops {
namespace {

constexpr int kEllipsis = -1;

int letter_label(char c) { return c >= 'a' ? 26 + c - 'a' : c - 'A'; }

/// Labels of a term, kEllipsis for "...".
std::vector<int> read_term(std::string_view term, std::string_view equation) {
  std::vector<int> out;
  for (size_t i = 0; i < term.size(); ++i) {
    if (std::isalpha(static_cast<unsigned char>(term[i]))) {
      out.push_back(letter_label(term[i]));
    } else if (term.substr(i, 3) == "..." && std::ranges::find(out, kEllipsis) == out.end()) {
      out.push_back(kEllipsis);
      i += 2;
    } else {
      fail(ErrorKind::kInvalidModel, "equation '", equation, "' has '", term.substr(i),
           "' where a letter or one '...' must stand");
    }
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t comma; (comma = text.find(',')) != std::string_view::npos; text.remove_prefix(comma + 1)) {
    out.push_back(text.substr(0, comma));
  }
  out.push_back(text);
  return out;
}

/// Puts the labels of `count` ellipsis axes, the last ones of all, in the place of kEllipsis.
std::vector<int> expand(const std::vector<int>& term, int count) {
  std::vector<int> out;
  for (int label : term) {
    if (label != kEllipsis)
      out.push_back(label);
    else
      for (int i = count; i > 0; --i) out.push_back(kEinsumLabels - i);
  }
  return out;
}

int ellipsis_axes(const std::vector<int>& term, int rank, std::string_view equation, size_t operand) {
  const bool has_ellipsis = std::ranges::find(term, kEllipsis) != term.end();
  const int letters = static_cast<int>(term.size()) - (has_ellipsis ? 1 : 0);
  if (has_ellipsis ? rank < letters : rank != letters) {
    fail(ErrorKind::kInvalidModel, "equation '", equation, "' names ", letters, " axes of operand ", operand,
         ", which has ", rank);
  }
  return rank - letters;
}

std::vector<int> implicit_output(const std::vector<std::vector<int>>& terms) {
  std::array<int, 52> uses{};
  for (const auto& term : terms) {
    for (int label : term) {
      if (label != kEllipsis) ++uses[static_cast<size_t>(label)];
    }
  }
  std::vector<int> out = {kEllipsis};
  for (int label = 0; label < 52; ++label) {
    if (uses[static_cast<size_t>(label)] == 1) out.push_back(label);
  }
  return out;
}

}  // namespace

EinsumEquation parse_einsum(std::string_view equation, std::span<const int> ranks) {
  std::string text;
  std::ranges::copy_if(equation, std::back_inserter(text), [](char c) { return c != ' '; });
  const size_t arrow = text.find("->");
  std::vector<std::vector<int>> terms;
  for (std::string_view term : split(std::string_view(text).substr(0, arrow)))
    terms.push_back(read_term(term, equation));
  if (terms.size() != ranks.size()) {
    fail(ErrorKind::kInvalidModel, "equation '", equation, "' has ", terms.size(), " operands, but there are ",
         ranks.size());
  }
  EinsumEquation out;
  int most = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const int axes = ellipsis_axes(terms[i], ranks[i], equation, i);
    out.operands.push_back(expand(terms[i], axes));
    most = std::max(most, axes);
  }
  const auto result = arrow == std::string::npos ? implicit_output(terms) : read_term(text.substr(arrow + 2), equation);
  out.output = expand(result, most);
  std::array<int, kEinsumLabels> seen{};
  for (const auto& operand : out.operands) {
    for (int label : operand) seen[static_cast<size_t>(label)] = 1;
  }
  for (int label : out.output) {
    if (seen[static_cast<size_t>(label)]++ != 1) {
      fail(ErrorKind::kInvalidModel, "equation '", equation,
           "' must name each axis of the result once, and as one of an operand");
    }
  }
  return out;
}

}  // namespace sdx::ops
