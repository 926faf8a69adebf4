// Svg: drawings as text, for reports that stand alone in one file.
#pragma once

#include <string>
#include <string_view>

namespace sdx::cli {

/// Text with the characters escaped that XML and HTML give a meaning.
std::string escaped(std::string_view text);

/// A number with at most two digits after the point, none where it has four before.
std::string shortened(double value);

/// A drawing with the origin at the top left. Classes name what the page's style sheet colours.
class Svg {
 public:
  /// `label` is what a screen reader says.
  Svg(double width, double height, std::string_view label);

  void line(double x1, double y1, double x2, double y2, std::string_view style_class);
  void bar(double x, double y, double width, double height, std::string_view style_class, std::string_view tip = "");
  void dot(double x, double y, double radius, std::string_view style_class, std::string_view tip = "");
  /// `anchor`: start, middle or end.
  void text(double x, double y, std::string_view content, std::string_view anchor = "start",
            std::string_view style_class = "");

  /// The complete element.
  std::string finish() const { return body_ + "</svg>\n"; }

 private:
  void close(std::string_view element, std::string_view tip);

  std::string body_;
};

}  // namespace sdx::cli
