// The pen: a drawing in SVG, coloured by the classes of report/figure.css, and the few things every chart needs.
//
// All charts are drawn here, in C++, once: the same text stands in the page and, with its style inside, in
// figures/*.svg.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/round_ticks.hpp"

namespace dflop {

/// What journals and repositories take without a word.
inline constexpr std::size_t kMostFigureBytes = 300'000;

class Svg {
 public:
  /// Width in user units (one is about a pixel); `title` names the picture for screen readers.
  Svg(double width, std::string title);

  // A `tip` becomes the shape's <title>, which shows on hover.
  void Rect(double x, double y, double width, double height, std::string_view classes, std::string_view tip = "");
  void Line(double x1, double y1, double x2, double y2, std::string_view classes);
  void Path(std::string_view data, std::string_view classes, std::string_view tip = "");
  void Text(double x, double y, std::string_view text, std::string_view classes = "");
  /// Text cut to `width` with an ellipsis; what was cut shows on hover.
  void FittedText(double x, double y, double width, std::string_view text, std::string_view classes = "",
                  double size = 12);
  /// Lines of text around `middle`, 14 units apart.
  void TextBlock(double x, double middle, const std::vector<std::string>& lines, std::string_view classes);
  /// An interval: a horizontal or vertical line with caps.
  void HorizontalInterval(double x1, double x2, double y);
  void VerticalInterval(double x, double y1, double y2);
  void Open(std::string_view classes);
  /// What follows is placed from `y` on; a page puts `tip` before the tips of its shapes.
  void OpenRow(double y, std::string_view tip);
  void Close() { body_ += "</g>\n"; }
  /// What follows is placed from (x, y) on, and cut off beyond the width and the height.
  void OpenPlot(double x, double y, double width, double height, std::string_view classes);
  void ClosePlot() { body_ += "</svg>\n"; }

  /// Of what is drawn so far.
  std::size_t bytes() const { return body_.size(); }
  /// The drawing shows its title itself; a file of it then needs no heading.
  void ShowsItsTitle() { titled_ = true; }
  double width() const { return width_; }
  void set_height(double height) { height_ = height; }

  /// For a page that carries the style sheet itself.
  std::string Inline() const;
  /// A whole file with the style inside and the title above the picture; without the tips of its shapes where it would
  /// be larger than kMostFigureBytes with them.
  std::string Standalone(std::string_view style) const;

 private:
  std::string Element(std::string_view attributes, double height, const std::string& content) const;
  double width_;
  double height_ = 0;
  std::string title_;
  bool titled_ = false;
  std::string body_;
};

/// & < > " ' as entities; control characters, U+FFFE and U+FFFF, which XML does not know, as spaces.
std::string EscapeXml(std::string_view text);

/// Without its <title> elements.
std::string WithoutTips(std::string_view body);

/// At most two decimals, no trailing zeros: small files and the same text everywhere.
std::string Coordinate(double value);

/// Width of `text` in the page's font at `size`, roughly: enough to keep labels apart.
double TextWidth(std::string_view text, double size = 12);

/// Words over at most `lines` lines of `width`; the last one is cut with an ellipsis.
std::vector<std::string> WrapText(std::string_view text, double width, std::size_t lines, double size = 12);

/// The text, cut with an ellipsis to `width`.
std::string CutText(std::string_view text, double width, double size = 12);

/// Maps values to places on one axis.
struct Scale {
  double low = 0;
  double high = 1;
  double from = 0;
  double to = 1;
  double operator()(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

std::string TickText(double tick);  ///< up to six significant digits, no exponent for what charts show

/// A row of coloured squares with names; returns the height it took.
struct LegendEntry {
  std::string classes;
  std::string name;
};
double DrawLegend(Svg& svg, double x, double y, double width, const std::vector<LegendEntry>& entries);

}  // namespace dflop
