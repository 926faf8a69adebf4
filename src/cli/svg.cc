// Svg: drawings as text.
#include "cli/svg.h"

#include <cmath>
#include <cstdio>

#include "base/error.h"

namespace sdx::cli {
namespace {

/// Coordinates to a tenth: finer than any screen.
std::string at(double v) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f", std::isfinite(v) ? v : 0.0);
  return buffer;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string shortened(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer,
                std::abs(value) >= 1000  ? "%.0f"
                : std::abs(value) >= 100 ? "%.1f"
                                         : "%.2f",
                value);
  return buffer;
}

Svg::Svg(double width, double height, std::string_view label)
    : body_(cat("<svg viewBox=\"0 0 ", at(width), " ", at(height), "\" role=\"img\" aria-label=\"", escaped(label),
                "\" xmlns=\"http://www.w3.org/2000/svg\">\n")) {}

void Svg::close(std::string_view element, std::string_view tip) {
  if (tip.empty())
    body_ += "/>\n";
  else
    body_ += cat("><title>", escaped(tip), "</title></", element, ">\n");
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view style_class) {
  body_ += cat("<line x1=\"", at(x1), "\" y1=\"", at(y1), "\" x2=\"", at(x2), "\" y2=\"", at(y2), "\" class=\"",
               style_class, "\"/>\n");
}

void Svg::bar(double x, double y, double width, double height, std::string_view style_class, std::string_view tip) {
  body_ += cat("<rect x=\"", at(x), "\" y=\"", at(y), "\" width=\"", at(width < 0 ? 0 : width), "\" height=\"",
               at(height), "\" rx=\"2\" class=\"", style_class, "\"");
  close("rect", tip);
}

void Svg::dot(double x, double y, double radius, std::string_view style_class, std::string_view tip) {
  body_ += cat("<circle cx=\"", at(x), "\" cy=\"", at(y), "\" r=\"", at(radius), "\" class=\"", style_class, "\"");
  close("circle", tip);
}

void Svg::text(double x, double y, std::string_view content, std::string_view anchor, std::string_view style_class) {
  body_ += cat("<text x=\"", at(x), "\" y=\"", at(y), "\" text-anchor=\"", anchor, "\"");
  if (!style_class.empty()) body_ += cat(" class=\"", style_class, "\"");
  body_ += cat(">", escaped(content), "</text>\n");
}

}  // namespace sdx::cli
