// Bins end at the 99th percentile and the last one is open, so that a few giants do not squeeze the rest.
#include "experiments/profile/sample_histogram.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "base/text.hpp"

namespace dflop {
namespace {

constexpr int kMaxRows = 16;
constexpr int kMaxColumns = 10;

int TilesOf(const SampleShape& shape) { return std::accumulate(shape.tiles.begin(), shape.tiles.end(), 0); }

std::vector<int> Collect(const std::vector<SampleShape>& shapes, int (*value)(const SampleShape&)) {
  std::vector<int> values;
  values.reserve(shapes.size());
  for (const SampleShape& shape : shapes) values.push_back(value(shape));
  return values;
}

/// The smallest value that at least this share of the values does not exceed.
int Quantile(std::vector<int> values, double share) {
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(std::max(rank, 1.0)) - 1;
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

/// Equal steps of 1, 2 or 5 times a power of ten; the last bin is open, so that a few giants do not squeeze the rest.
class Bins {
 public:
  Bins(const std::vector<int>& values, int max_count) {
    const auto [least, largest] = std::minmax_element(values.begin(), values.end());
    const int reach = Quantile(values, 0.99);
    for (int decade = 1; Count(*least, reach) > max_count; decade *= 10) {
      for (const int factor : {1, 2, 5}) {
        step_ = factor * decade;
        if (Count(*least, reach) <= max_count) break;
      }
    }
    first_ = *least / step_;
    count_ = Count(*least, reach);
    open_ = *largest / step_ >= first_ + count_;
  }
  int count() const { return count_; }
  int IndexOf(int value) const { return std::clamp(value / step_ - first_, 0, count_ - 1); }
  std::string Label(int index) const {
    const int from = (first_ + index) * step_;
    if (open_ && index == count_ - 1) return "≥" + std::to_string(from);
    return step_ == 1 ? std::to_string(from) : std::to_string(from) + "+";
  }

 private:
  int Count(int least, int largest) const { return largest / step_ - least / step_ + 1; }
  int step_ = 1;
  int first_ = 0;
  int count_ = 1;
  bool open_ = false;
};

std::string PadLeft(const std::string& text, std::size_t width) {
  const std::size_t columns = Columns(text);
  return std::string(width > columns ? width - columns : 0, ' ') + text;
}

const char* Shade(double share, double largest) {
  constexpr std::array<const char*, 5> kShades{" ", "░", "▒", "▓", "█"};
  const double level = share <= 0 ? 0.0 : std::ceil(4.0 * share / largest);
  return kShades[static_cast<std::size_t>(std::min(level, 4.0))];
}

std::string Percent(double share) { return share > 0 ? Format("%5.1f", 100.0 * share) : std::string(5, ' '); }

struct Grid {
  Bins tiles;
  Bins tokens;
  std::vector<std::vector<double>> share;  // [tiles bin][tokens bin]
};

Grid MakeGrid(const std::vector<SampleShape>& shapes) {
  const std::vector<int> tiles = Collect(shapes, TilesOf);
  const std::vector<int> tokens = Collect(shapes, [](const SampleShape& shape) { return shape.llm_tokens; });
  Grid grid{Bins(tiles, kMaxRows), Bins(tokens, kMaxColumns), {}};
  grid.share.assign(static_cast<std::size_t>(grid.tiles.count()),
                    std::vector<double>(static_cast<std::size_t>(grid.tokens.count())));
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    auto& row = grid.share[static_cast<std::size_t>(grid.tiles.IndexOf(tiles[i]))];
    row[static_cast<std::size_t>(grid.tokens.IndexOf(tokens[i]))] += 1.0 / static_cast<double>(shapes.size());
  }
  return grid;
}

std::string Line(const std::string& name, const std::vector<int>& values) {
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  return Format("%-12s %10.1f %10d %10d %10d\n", name.c_str(), mean, Quantile(values, 0.5), Quantile(values, 0.95),
                Quantile(values, 1.0));
}

std::string KindOf(const Sample& sample) {
  if (sample.direct) return "shape only";
  std::string kind;
  const auto add = [&](const std::string& name) { kind += (kind.empty() ? "" : " + ") + name; };
  if (sample.images.size() == 1) add("single image");
  if (sample.images.size() > 1) add("multi-image");
  if (sample.video_frames > 0) add("video");
  if (sample.audio_s > 0) add("audio");
  return kind.empty() ? "text only" : kind;
}

}  // namespace

std::string DrawJointHistogram(const std::vector<SampleShape>& shapes) {
  DFLOP_CHECK(!shapes.empty(), "a histogram needs samples");
  const Grid grid = MakeGrid(shapes);
  double fullest = 0;
  for (const auto& row : grid.share) fullest = std::max(fullest, *std::max_element(row.begin(), row.end()));
  std::vector<double> totals(grid.share.front().size());
  std::string text = "   tiles │ LLM tokens; % of samples\n         │";
  for (int column = 0; column < grid.tokens.count(); ++column) text += PadLeft(grid.tokens.Label(column), 8);
  text += "     all\n";
  for (int row = 0; row < grid.tiles.count(); ++row) {
    const auto& shares = grid.share[static_cast<std::size_t>(row)];
    text += PadLeft(grid.tiles.Label(row), 8) + " │";
    for (std::size_t column = 0; column < shares.size(); ++column) {
      const std::string shade = Shade(shares[column], fullest);
      text += " " + shade;
      text += shade + Percent(shares[column]);
      totals[column] += shares[column];
    }
    text += "   " + Percent(std::accumulate(shares.begin(), shares.end(), 0.0)) + "\n";
  }
  text += "     all │";
  for (const double total : totals) text += "   " + Percent(total);
  return text + "   100.0\n";
}

std::string DescribeShapes(const std::vector<SampleShape>& shapes) {
  DFLOP_CHECK(!shapes.empty(), "statistics need samples");
  std::string text = Format("%-12s %10s %10s %10s %10s\n", "per sample", "mean", "median", "p95", "max");
  text += Line("tiles", Collect(shapes, TilesOf));
  text += Line("LLM tokens", Collect(shapes, [](const SampleShape& shape) { return shape.llm_tokens; }));
  return text;
}

std::string CountKinds(const std::vector<Sample>& samples) {
  std::map<std::string, int> counts;
  for (const Sample& sample : samples) ++counts[KindOf(sample)];
  std::string text;
  for (const auto& [kind, count] : counts) {
    text += Format("%-28s %10d  %5.1f %%\n", kind.c_str(), count, 100.0 * count / static_cast<double>(samples.size()));
  }
  return text;
}

}  // namespace dflop
