// Widths of text are estimated by classes of characters, as no font is at hand; coordinates have two decimals.
#include "experiments/report/svg.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"

namespace dflop {
namespace {

constexpr double kCap = 2.5;  // half the width of an interval's end

/// Advance of one ASCII character over the font size, from the shapes of common sans-serif fonts.
double Advance(char c) {
  if (std::string_view("iljtfrI.,:;'|!()[] ").find(c) != std::string_view::npos) return 0.36;
  if (std::string_view("mwMW@%").find(c) != std::string_view::npos) return 0.9;
  if (c >= 'A' && c <= 'Z') return 0.7;
  return 0.61;
}

std::string Attribute(std::string_view name, std::string_view value) {
  return " " + std::string(name) + "=\"" + EscapeXml(value) + "\"";
}

std::string Attribute(std::string_view name, double value) { return Attribute(name, Coordinate(value)); }

std::string Ending(std::string_view element, std::string_view tip) {
  if (tip.empty()) return "/>\n";
  return "><title>" + EscapeXml(tip) + "</title></" + std::string(element) + ">\n";
}

}  // namespace

Svg::Svg(double width, std::string title) : width_(width), title_(std::move(title)) {}

void Svg::Rect(double x, double y, double width, double height, std::string_view classes, std::string_view tip) {
  body_ += "<rect" + Attribute("class", classes) + Attribute("x", x) + Attribute("y", y) + Attribute("width", width) +
           Attribute("height", height) + Ending("rect", tip);
}

void Svg::Line(double x1, double y1, double x2, double y2, std::string_view classes) {
  body_ += "<line" + Attribute("class", classes) + Attribute("x1", x1) + Attribute("y1", y1) + Attribute("x2", x2) +
           Attribute("y2", y2) + "/>\n";
}

void Svg::Path(std::string_view data, std::string_view classes, std::string_view tip) {
  body_ += "<path" + Attribute("class", classes) + Attribute("d", data) + Ending("path", tip);
}

void Svg::Text(double x, double y, std::string_view text, std::string_view classes) {
  body_ += "<text" + (classes.empty() ? "" : Attribute("class", classes)) + Attribute("x", x) + Attribute("y", y) +
           ">" + EscapeXml(text) + "</text>\n";
}

void Svg::FittedText(double x, double y, double width, std::string_view text, std::string_view classes, double size) {
  constexpr double kBold = 1.15;  // as wide as a regular type of that much more, where the style sheet says strong
  const bool bold = classes.find("strong") != std::string_view::npos;
  const std::string cut = CutText(text, width, bold ? std::max(size, 13.0) * kBold : size);
  if (cut == text) return Text(x, y, text, classes);
  body_ += "<text" + (classes.empty() ? "" : Attribute("class", classes)) + Attribute("x", x) + Attribute("y", y) +
           "><title>" + EscapeXml(text) + "</title>" + EscapeXml(cut) + "</text>\n";
}

void Svg::TextBlock(double x, double middle, const std::vector<std::string>& lines, std::string_view classes) {
  constexpr double kLine = 14;
  double y = middle - static_cast<double>(lines.size()) * kLine / 2 + 11;
  for (const std::string& line : lines) {
    Text(x, y, line, classes);
    y += kLine;
  }
}

void Svg::HorizontalInterval(double x1, double x2, double y) {
  Line(x1, y, x2, y, "interval");
  for (const double x : {x1, x2}) Line(x, y - kCap, x, y + kCap, "interval");
}

void Svg::VerticalInterval(double x, double y1, double y2) {
  Line(x, y1, x, y2, "interval");
  for (const double y : {y1, y2}) Line(x - kCap, y, x + kCap, y, "interval");
}

void Svg::Open(std::string_view classes) { body_ += "<g" + Attribute("class", classes) + ">\n"; }

void Svg::OpenRow(double y, std::string_view tip) {
  body_ += "<g" + Attribute("transform", "translate(0 " + Coordinate(y) + ")") + Attribute("data-row", tip) + ">\n";
}

void Svg::OpenPlot(double x, double y, double width, double height, std::string_view classes) {
  body_ += "<svg" + Attribute("class", classes) + Attribute("x", x) + Attribute("y", y) + Attribute("width", width) +
           Attribute("height", height) + ">\n";
}

std::string Svg::Element(std::string_view attributes, double height, const std::string& content) const {
  return "<svg" + std::string(attributes) + " class=\"figure\" role=\"img\"" +
         Attribute("viewBox", "0 0 " + Coordinate(width_) + " " + Coordinate(height)) +
         Attribute("aria-label", title_) + ">\n" + content + "</svg>\n";
}

// Text keeps its size: a narrow page scrolls the picture instead of shrinking it.
std::string Svg::Inline() const { return Element(" style=\"min-width:" + Coordinate(width_) + "px\"", height_, body_); }

std::string Svg::Standalone(std::string_view style) const {
  constexpr double kLine = 18, kMargin = 10;
  const std::vector<std::string> heading = titled_ ? std::vector<std::string>() : WrapText(title_, width_, 3, 14);
  const double top = kLine * static_cast<double>(heading.size()) + 8;
  const double width = width_ + 2 * kMargin, height = height_ + top + 2 * kMargin;
  const std::string size = Attribute("width", width) + Attribute("height", height);
  std::string content = "<title>" + EscapeXml(title_) + "</title>\n<style>\n" + std::string(style) + "</style>\n" +
                        "<rect class=\"paper\"" + size + "/>\n<g transform=\"translate(" + Coordinate(kMargin) + " " +
                        Coordinate(kMargin) + ")\">\n";
  double y = 13;
  for (const std::string& line : heading) {
    content +=
        "<text class=\"heading\"" + Attribute("x", 0.0) + Attribute("y", y) + ">" + EscapeXml(line) + "</text>\n";
    y += kLine;
  }
  const bool heavy = content.size() + body_.size() + 500 > kMostFigureBytes;
  content += "<g transform=\"translate(0 " + Coordinate(top) + ")\">\n" + (heavy ? WithoutTips(body_) : body_) +
             "</g>\n</g>\n";
  Svg whole(width, title_);
  return whole.Element(" xmlns=\"http://www.w3.org/2000/svg\"" + size, height, content);
}

std::string WithoutTips(std::string_view body) {
  std::string out;
  while (true) {
    const std::size_t open = body.find("<title>");
    out += body.substr(0, open);
    if (open == std::string_view::npos) return out;
    body.remove_prefix(body.find("</title>", open) + 8);
  }
}

std::string EscapeXml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const std::string_view character = text.substr(i, 3);
    if (character == "\xEF\xBF\xBE" || character == "\xEF\xBF\xBF") {  // U+FFFE and U+FFFF
      out += ' ';
      i += 2;
      continue;
    }
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 && c != '\n' ? ' ' : c;
    }
  }
  return out;
}

std::string Coordinate(double value) {
  if (!std::isfinite(value)) throw RunError("a chart has a place that is not finite: a figure of the result overflows");
  std::string out = Fixed(value, 2);
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out;
}

double TextWidth(std::string_view text, double size) {
  double width = 0;
  for (const char c : text) width += StartsCharacter(c) ? Advance(c) * size : 0;
  return width;
}

std::string CutText(std::string_view text, double width, double size) {
  if (TextWidth(text, size) <= width) return std::string(text);
  std::size_t end = text.size();
  while (end > 0 && (TextWidth(text.substr(0, end), size) > width - size || !StartsCharacter(text[end]))) --end;
  return std::string(text.substr(0, end)) + "…";
}

std::vector<std::string> WrapText(std::string_view text, double width, std::size_t lines, double size) {
  std::vector<std::string> out;
  while (!text.empty() && out.size() + 1 < lines && TextWidth(text, size) > width) {
    std::size_t end = text.size();
    while (end > 1 && (TextWidth(text.substr(0, end), size) > width || !StartsCharacter(text[end]))) --end;
    // Prefer a break after a space, comma, hyphen or bracket in the second half of the line.
    const std::size_t gap = text.substr(0, end).find_last_of(" ,-_/");
    if (gap != std::string_view::npos && gap > end / 2) end = gap + 1;
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  out.push_back(CutText(text, width, size));
  return out;
}

std::string TickText(double tick) { return Format("%.6g", tick); }

double DrawLegend(Svg& svg, double x, double y, double width, const std::vector<LegendEntry>& entries) {
  constexpr double kRow = 18;
  double left = x;
  double top = y;
  for (const LegendEntry& entry : entries) {
    const std::string name = CutText(entry.name, width - 20);
    const double needed = 16 + TextWidth(name) + 14;
    if (left > x && left + needed > x + width) left = x, top += kRow;
    svg.Rect(left, top + 2, 10, 10, entry.classes);
    svg.FittedText(left + 15, top + 11, width - 20, entry.name);
    left += needed;
  }
  return top + kRow - y;
}

}  // namespace dflop
