// The report of comparisons: bars, roofline, table.
#include "cli/html_report.h"

#include <algorithm>
#include <cmath>

#include "cli/svg.h"
#include "measure/statistics.h"

namespace sdx::cli {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #63676e; --grid: #d9dce1; --paper: #ffffff; --ours: #2a6fdb; --peer: #b0602a; --good: #2e7d4f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e9eb; --soft: #9da2aa; --grid: #383c43; --paper: #16181c; --ours: #6fa8ff; --peer: #e39a62; --good: #6fc493; }
}
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); }
svg .soft { fill: var(--soft); }
svg .grid { stroke: var(--grid); stroke-width: 1; }
svg .even { stroke: var(--ink); stroke-width: 1.5; }
svg .roof { stroke: var(--soft); stroke-width: 2; }
svg .aim { stroke: var(--good); stroke-width: 2; }
svg .spread { stroke: var(--ink); stroke-width: 1.5; }
svg .ours { fill: var(--ours); }
svg .peer { fill: none; stroke: var(--peer); stroke-width: 2; }
)";

constexpr const char* kPageStyle = R"(
body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
p.note { color: var(--soft); font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
)";

double number(const Json& r, const char* group, const char* field) { return r.at(group).at(field).get<double>(); }

std::string name_of(const Json& r) { return r.value("row", r.at("model").get<std::string>()); }

/// A scale from values to pixels.
struct Axis {
  double low, high, from, to;
  bool logarithmic = false;
  double operator()(double v) const {
    const double share = logarithmic ? std::log(v / low) / std::log(high / low) : (v - low) / (high - low);
    return from + share * (to - from);
  }
};

struct Point {
  double intensity, ours, peer;  ///< operations a byte; operations a second
};

Point point_of(const Json& r) {
  const double operations = number(r, "work", "operations");
  const double bytes = number(r, "work", "weight_bytes") + number(r, "work", "moved_bytes");
  return {operations / std::max(bytes, 1.0), operations / number(r, "ours_ms", "median") * 1e3,
          operations / number(r, "peer_ms", "median") * 1e3};
}

double median_of(const std::vector<Json>& reports, const char* field) {
  std::vector<double> values;
  for (const Json& r : reports) values.push_back(number(r, "ceiling", field));
  return values.empty() ? 1 : measure::quantile(values, 0.5);
}

struct Cell {
  std::string head;
  std::string (*value)(const Json&);
};

const std::vector<Cell>& columns() {
  static const std::vector<Cell> table = {
      {"row", [](const Json& r) { return name_of(r); }},
      {"ratio", [](const Json& r) { return shortened(number(r, "ratio", "median")); }},
      {"quartiles",
       [](const Json& r) {
         return cat(shortened(number(r, "ratio", "first")), " – ", shortened(number(r, "ratio", "third")));
       }},
      {"of least times",
       [](const Json& r) { return shortened(number(r, "peer_ms", "least") / number(r, "ours_ms", "least")); }},
      {"target",
       [](const Json& r) { return r.contains("target") ? shortened(r["target"].get<double>()) : std::string("–"); }},
      {"ms", [](const Json& r) { return shortened(number(r, "ours_ms", "median")); }},
      {"ONNX Runtime ms", [](const Json& r) { return shortened(number(r, "peer_ms", "median")); }},
      {"GFLOP/s",
       [](const Json& r) { return r.contains("work") ? shortened(point_of(r).ours / 1e9) : std::string("–"); }},
      {"of ceiling",
       [](const Json& r) {
         if (!r.contains("work")) return std::string("–");
         return cat(std::lround(100 * point_of(r).ours / number(r, "ceiling", "flops")), " %");
       }},
      {"load",
       [](const Json& r) {
         if (!r.contains("load")) return std::string("–");
         const Json& load = r["load"];
         std::string text = cat(shortened(load["ratio"].get<double>()), "x");
         if (load.contains("kept_ratio")) text += cat(", ", shortened(load["kept_ratio"].get<double>()), "x kept");
         return text;
       }},
      {"peak beyond weights",
       [](const Json& r) {
         if (!r.contains("memory")) return std::string("–");
         const Json& m = r["memory"];
         return cat(std::lround(100 * number(m, "ours", "beyond")), " % / ",
                    std::lround(100 * number(m, "peer", "beyond")), " %");
       }},
  };
  return table;
}

std::string html_table(const std::vector<Json>& reports) {
  std::string out = "<div class=\"wide\"><table>\n<tr>";
  for (const Cell& c : columns()) out += cat("<th>", escaped(c.head), "</th>");
  out += "</tr>\n";
  for (const Json& r : reports) {
    out += "<tr>";
    for (const Cell& c : columns()) out += cat("<td>", escaped(c.value(r)), "</td>");
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

}  // namespace

std::string ratio_bars(const std::vector<Json>& reports) {
  constexpr double kRow = 26, kLeft = 150, kRight = 660, kTop = 30;
  double most = 2;
  for (const Json& r : reports) most = std::max({most, number(r, "ratio", "third"), r.value("target", 0.0)});
  const Axis x{0, most * 1.08, kLeft, kRight};
  const double bottom = kTop + kRow * static_cast<double>(reports.size());
  Svg svg(700, bottom + 30, "latency of ONNX Runtime divided by that of Sardonyx, by model");
  const double step = most > 4 ? 1 : 0.5;
  for (double v = 0; v <= x.high; v += step) {
    svg.line(x(v), kTop - 6, x(v), bottom, v == 1 ? "even" : "grid");
    svg.text(x(v), bottom + 16, shortened(v), "middle", "soft");
  }
  svg.text(x(1), kTop - 12, "equal", "middle", "soft");
  double y = kTop;
  for (const Json& r : reports) {
    const double median = number(r, "ratio", "median"), middle = y + kRow / 2;
    svg.text(kLeft - 8, middle + 4, name_of(r), "end");
    svg.bar(kLeft, y + 5, x(median) - kLeft, kRow - 10, "ours", cat(name_of(r), ": ", shortened(median)));
    svg.line(x(number(r, "ratio", "first")), middle, x(number(r, "ratio", "third")), middle, "spread");
    if (r.contains("target"))
      svg.line(x(r["target"].get<double>()), y + 2, x(r["target"].get<double>()), y + kRow - 2, "aim");
    svg.text(std::max(x(median), x(number(r, "ratio", "third"))) + 5, middle + 4, shortened(median));
    y += kRow;
  }
  return svg.finish();
}

std::string roofline(const std::vector<Json>& reports) {
  const double flops = median_of(reports, "flops"), memory = median_of(reports, "memory");
  double low = flops, far = flops / memory * 4, near = flops / memory / 4;
  for (const Json& r : reports) {
    if (!r.contains("work")) continue;
    const Point p = point_of(r);
    low = std::min({low, p.ours, p.peer});
    far = std::max(far, p.intensity * 1.5);
    near = std::min(near, p.intensity / 1.5);
  }
  const Axis x{near, far, 60, 680, true}, y{low / 2, flops * 1.6, 370, 20, true};
  Svg svg(700, 410, "operations a second over operations a byte, under the limits of memory and arithmetic");
  for (double v = std::pow(10, std::ceil(std::log10(y.low))); v <= y.high; v *= 10) {
    svg.line(60, y(v), 680, y(v), "grid");
    svg.text(54, y(v) + 4, shortened(v / 1e9), "end", "soft");
  }
  for (double v = std::pow(2, std::ceil(std::log2(near))); v <= far; v *= 4) {
    svg.line(x(v), 20, x(v), 370, "grid");
    svg.text(x(v), 386, shortened(v), "middle", "soft");
  }
  const double ridge = flops / memory, start = std::max(near, y.low / memory);
  svg.line(x(start), y(start * memory), x(ridge), y(flops), "roof");
  svg.line(x(ridge), y(flops), 680, y(flops), "roof");
  svg.text(676, y(flops) - 6, cat(shortened(flops / 1e9), " GFLOP/s"), "end", "soft");
  svg.text(x(start) + 14, y(start * memory) - 4, cat(shortened(memory / 1e9), " GB/s"), "start", "soft");
  for (const Json& r : reports) {
    if (!r.contains("work")) continue;
    const Point p = point_of(r);
    svg.line(x(p.intensity), y(p.ours), x(p.intensity), y(p.peer), "grid");
    svg.dot(x(p.intensity), y(p.peer), 4, "peer",
            cat(name_of(r), ", ONNX Runtime: ", shortened(p.peer / 1e9), " GFLOP/s"));
    svg.dot(x(p.intensity), y(p.ours), 4.5, "ours",
            cat(name_of(r), ", Sardonyx: ", shortened(p.ours / 1e9), " GFLOP/s"));
  }
  svg.dot(90, 34, 4.5, "ours");
  svg.text(100, 38, "Sardonyx");
  svg.dot(90, 52, 4, "peer");
  svg.text(100, 56, "ONNX Runtime");
  svg.text(370, 404, "operations per byte of weights, operands and results", "middle", "soft");
  svg.text(60, 12, "GFLOP/s", "middle", "soft");
  return svg.finish();
}

std::string html_report(const std::vector<Json>& reports) {
  const Json& first = reports.front();
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>Sardonyx beside ONNX Runtime</title>\n<style>";
  out += cat(kStyle, kPageStyle, "</style>\n</head>\n<body>\n<h1>Sardonyx beside ONNX Runtime ",
             escaped(first["peer"]["version"].get<std::string>()), "</h1>\n");
  out += cat(
      "<p>Latency of ONNX Runtime divided by that of Sardonyx: above 1, Sardonyx is faster. Same files, same inputs, ",
      first["threads"].get<int>(), " threads, ", escaped(first["isa"].get<std::string>()),
      ", measured in turns in one process; ONNX Runtime with ", escaped(first["peer"]["settings"].get<std::string>()),
      ".</p>\n<h2>Ratios</h2>\n", ratio_bars(reports),
      "<p class=\"note\">Bars: medians of the ratios of pairs; black lines: quartiles; green marks: "
      "targets.</p>\n<h2>Roofline</h2>\n",
      roofline(reports),
      "<p class=\"note\">The roofs were measured beside the models: multiply-adds in registers alone, and a plain read "
      "of more than the caches hold. "
      "Operations are those of the definitions; operands that stay in a cache let a point rise above the "
      "slope.</p>\n<h2>Figures</h2>\n",
      html_table(reports),
      "<p class=\"note\">Load: time to load, as a multiple of ONNX Runtime's; kept: with packed weights from a folder. "
      "Peak: resident memory beyond the bytes "
      "of the model's files, Sardonyx / ONNX "
      "Runtime. Both from processes of their own.</p>\n</body>\n</html>\n");
  return out;
}

std::string markdown_table(const std::vector<Json>& reports) {
  std::string head = "|", rule = "|", out;
  for (const Cell& c : columns()) {
    head += cat(" ", c.head, " |");
    rule += &c == &columns().front() ? "---|" : "---:|";
  }
  for (const Json& r : reports) {
    out += "|";
    for (const Cell& c : columns()) out += cat(" ", c.value(r), " |");
    out += "\n";
  }
  return head + "\n" + rule + "\n" + out;
}

std::string standalone(const std::string& svg) {
  const size_t end = svg.find('>') + 1;
  return svg.substr(0, end) + "\n<style>" + kStyle + "svg { background: var(--paper); }\n</style>" + svg.substr(end);
}

}  // namespace sdx::cli
