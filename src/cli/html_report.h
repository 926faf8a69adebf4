// The report of comparisons as one HTML page, and as a Markdown table.
#pragma once

#include <string>
#include <vector>

#include "cli/json_tensor.h"

namespace sdx::cli {

/// Bars of ratios with their quartiles (`row` and `target` of a report name the bar and mark the aim).
std::string ratio_bars(const std::vector<Json>& reports);

/// Rates over intensity under the roofs of memory and arithmetic, on logarithmic axes.
std::string roofline(const std::vector<Json>& reports);

/// A page that needs nothing else, in light and dark, on wide and narrow screens. `reports` are those of
/// compare_runtimes().
std::string html_report(const std::vector<Json>& reports);

/// One line a report.
std::string markdown_table(const std::vector<Json>& reports);

/// The two drawings as files of their own, with their style inside.
std::string standalone(const std::string& svg);

}  // namespace sdx::cli
