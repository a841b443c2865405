// A row per scenario and point, a column per policy, on a square-root axis; many policies are drawn in blocks.
#include <algorithm>
#include <cmath>

#include "experiments/report/charts.hpp"

namespace dflop {
namespace {

constexpr double kWidth = 960;
constexpr double kLabels = 210;  // room for the names of the rows
constexpr double kNames = 40;    // and, above, for those of the columns
constexpr double kNumber = 38;   // room for the number after a mark
constexpr double kGap = 14;
constexpr double kRow = 17;
constexpr double kTick = 24;             // what a tick's number needs
constexpr std::size_t kMostColumns = 6;  // side by side; further policies go below

/// The square root keeps small regrets apart, has room for large ones and, unlike a logarithm, knows zero.
class RootScale {
 public:
  RootScale(double largest, double from, double to) : largest_(largest), scale_{0, std::sqrt(largest), from, to} {}
  double operator()(double regret) const { return scale_(std::sqrt(std::clamp(regret, 0.0, largest_))); }

  /// 0, and of 1, 2, 5, 10, … % as many as have room, the larger ones first.
  std::vector<double> Ticks() const {
    std::vector<double> ticks = {0};
    double free_to = INFINITY;
    for (double power = std::pow(10, std::floor(std::log10(largest_))); power >= 1e-4; power /= 10) {
      for (const double factor : {5.0, 2.0, 1.0}) {
        const double place = scale_(std::sqrt(factor * power));
        if (factor * power > largest_ || place > free_to || place < (*this)(0) + kTick) continue;
        ticks.push_back(factor * power);
        free_to = place - kTick;
      }
    }
    return ticks;
  }

 private:
  double largest_;
  Scale scale_;
};

double Largest(const std::vector<RegretRow>& rows) {
  double largest = 0.01;
  for (const RegretRow& row : rows) {
    for (const RegretCell& cell : row.cells) largest = std::max(largest, cell.regret ? High(*cell.regret) : 0);
  }
  return largest;
}

void DrawCell(Svg& svg, const RegretCell& cell, double y, const RootScale& x) {
  if (cell.text.empty()) return;
  if (!cell.regret) {
    svg.Path("M" + Coordinate(x(0)) + " " + Coordinate(y) + "m-3 -3l6 6m0 -6l-6 6", "cross series6", cell.tip);
    svg.Text(x(0) + 9, y + 4, cell.text, "small muted");
    return;
  }
  const Interval& regret = *cell.regret;
  svg.Line(x(0), y, x(regret.mean), y, "axis");
  if (regret.half_width && regret.mean > 0) svg.HorizontalInterval(x(Low(regret)), x(High(regret)), y);
  svg.Path("M" + Coordinate(x(regret.mean)) + " " + Coordinate(y) + "m-4 0l4 -4l4 4l-4 4z", "total", cell.tip);
  svg.Text(x(High(regret)) + 8, y + 4, cell.text, "small");
}

/// Some of the policies side by side over all rows.
class Block {
 public:
  Block(Svg& svg, const RegretTable& table, std::size_t begin, std::size_t end, double top)
      : svg_(svg), table_(table), begin_(begin), end_(end), top_(top + kNames), largest_(Largest(table.rows)) {
    bottom_ = top_ + kRow * static_cast<double>(table.rows.size() + table.summary.size()) + kGap / 2;
  }

  /// Returns where it ends.
  double Draw() {
    svg_.FittedText(0, top_ - 7, kLabels - 10, table_.axes, "small muted");
    for (std::size_t column = begin_; column < end_; ++column) DrawColumnFrame(column);
    double y = top_;
    for (const RegretRow& row : table_.rows) y = DrawRow(row, y, row.cells.empty() ? "strong" : "small");
    svg_.Line(0, y + kGap / 4, kWidth, y + kGap / 4, "axis");
    y += kGap / 2;
    for (const RegretRow& row : table_.summary) y = DrawRow(row, y, "small");
    svg_.Text((kLabels + kWidth) / 2, bottom_ + 31, "% longer than the best policy of the row, on a square-root axis",
              "small middle muted");
    return bottom_ + 38;
  }

 private:
  double width() const { return (kWidth - kLabels) / static_cast<double>(end_ - begin_); }
  double Left(std::size_t column) const { return kLabels + width() * static_cast<double>(column - begin_); }
  RootScale ScaleOf(std::size_t column) const {
    return {largest_, Left(column) + 5, Left(column) + width() - kGap - kNumber};
  }

  void DrawColumnFrame(std::size_t column) {
    const std::vector<std::string> name = WrapText(table_.policies[column], width() - 6, 2, 11);
    svg_.TextBlock(Left(column), top_ - 6 - 7 * static_cast<double>(name.size()), name, "small");
    const RootScale x = ScaleOf(column);
    for (const double tick : x.Ticks()) {
      svg_.Line(x(tick), top_, x(tick), bottom_, tick == 0 ? "axis" : "grid");
      svg_.Text(x(tick), bottom_ + 14, TickText(100 * tick), "small middle muted");
    }
  }

  double DrawRow(const RegretRow& row, double y, const char* label) {
    const double indent = row.cells.empty() ? 0 : 10;
    if (row.cells.empty()) svg_.Line(0, y, kWidth, y, "grid");
    svg_.FittedText(indent, y + kRow / 2 + 4, kLabels - 10 - indent, row.label, label);
    for (std::size_t i = begin_; i < end_ && i < row.cells.size(); ++i) {
      DrawCell(svg_, row.cells[i], y + kRow / 2, ScaleOf(i));
    }
    return y + kRow;
  }

  Svg& svg_;
  const RegretTable& table_;
  std::size_t begin_;
  std::size_t end_;
  double top_;
  double bottom_;
  double largest_;
};

}  // namespace

Svg RegretChart(const RegretTable& table) {
  Svg svg(kWidth, "Regret: how much longer a step takes than under the best policy");
  const std::size_t count = table.policies.size();
  const std::size_t blocks = (count + kMostColumns - 1) / kMostColumns;
  double bottom = 0;
  for (std::size_t block = 0; block < blocks; ++block) {
    bottom = Block(svg, table, count * block / blocks, count * (block + 1) / blocks, bottom).Draw();
  }
  svg.set_height(bottom);
  return svg;
}

}  // namespace dflop
