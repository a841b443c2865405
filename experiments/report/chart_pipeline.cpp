// One step of every policy on one time axis: a row per device group, boxes for its work, thin marks below for messages.
//
// Shapes of one colour are one path, and what is thinner than half a pixel goes into its neighbour: a picture of ten
// thousand events stays small enough for a paper. A page's script draws what a closer look shows (timeline_data.hpp).
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "experiments/report/charts.hpp"
#include "experiments/report/timeline_panel.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/results/picture_waits.hpp"

namespace dflop {
namespace {

constexpr double kWidth = 960;
constexpr double kLabels = 262;
constexpr double kPlot = kWidth - kLabels - 14;
constexpr double kHeader = 24;
constexpr double kOverview = 30;
constexpr double kFoot = 12;
constexpr double kThinnest = 0.6;  // that a message is drawn

double OverviewHeight(const TimelinePanel& panel) { return panel.is_cut() ? kOverview + 6 : 0; }
double HeightOf(const TimelinePanel& panel) { return kHeader + OverviewHeight(panel) + panel.rows_height() + kFoot; }

/// How coarse a picture is drawn, finest first.
struct Detail {
  double merged_below = 0.5;  ///< pixels
  bool numbers = true;        ///< of microbatches, in their boxes
};
constexpr Detail kDetails[] = {{0.5, true}, {0.5, false}, {1, false}, {2, false}, {4, false}, {8, false}};

std::string Tenths(double value) { return Coordinate(std::round(10 * value) / 10); }

/// Boxes as one path per class; those of a row come in the order of time.
class BoxPen {
 public:
  explicit BoxPen(double merged_below) : merged_below_(merged_below) {}

  void Add(const std::string& classes, double from, double to) {
    const auto [entry, is_first] = last_.try_emplace(classes, std::pair(from, to));
    auto& [last_from, last_to] = entry->second;
    if (is_first) return;
    const bool thin = to - from < merged_below_ || last_to - last_from < merged_below_;
    if (thin && from < last_to + merged_below_) {
      last_to = std::max(last_to, to);
      ++merged_;
    } else {
      Put(classes, std::exchange(entry->second, std::pair(from, to)));
    }
  }
  void StartRow(double y, double work_height, double lane_height) {
    Flush();
    y_ = y, work_height_ = work_height, lane_height_ = lane_height;
  }
  void Draw(Svg& svg) {
    Flush();
    for (const auto& [classes, path] : paths_) svg.Path(path, classes);
  }
  std::size_t merged() const { return merged_; }

  static bool IsMessage(const std::string& classes) {
    return classes == "transfer" || classes == "gradient_reduction" || classes == "parameter_gather";
  }

 private:
  void Flush() {
    for (const auto& [classes, span] : last_) Put(classes, span);
    last_.clear();
  }
  void Put(const std::string& classes, std::pair<double, double> span) {
    const bool message = IsMessage(classes);
    const double y = message ? y_ + work_height_ : y_;
    const std::string width = Tenths(std::max(span.second - span.first, message ? kThinnest : 0.1));
    paths_[classes] += "M" + Tenths(span.first) + " " + Tenths(y) + "h" + width + "v" +
                       Tenths(message ? lane_height_ : work_height_) + "h-" + width + "z";
  }

  double merged_below_;
  double y_ = 0, work_height_ = 0, lane_height_ = 0;
  std::map<std::string, std::pair<double, double>> last_;  // by class, of this row
  std::map<std::string, std::string> paths_;               // by class
  std::size_t merged_ = 0;
};

std::string ClassOf(const StepPicture& picture, const PictureEvent& event) {
  if (!event.IsMicrobatchWork()) return event.kind;
  return std::string(SideName(picture.stages[static_cast<std::size_t>(event.stage)].side)) + " " + event.kind;
}

/// Thin rows are labelled once per replica, and only where the label before leaves room.
void DrawRowLabels(Svg& svg, const TimelinePanel& panel, double top) {
  constexpr double kLine = 12;
  const bool thin = panel.pitch() < kLine;
  double free_from = top;
  for (std::size_t i = 0; i < panel.rows.size(); ++i) {
    const PictureStage& stage = *panel.rows[i].stages.front();
    const double y = top + panel.pitch() * static_cast<double>(i);
    const bool first_of_replica = i == 0 || panel.rows[i - 1].stages.front()->replica != stage.replica;
    if (i > 0 && first_of_replica) svg.Line(0, y - 0.5, kLabels + kPlot, y - 0.5, "grid");
    if (thin && (!first_of_replica || y < free_from)) continue;
    const std::string label = thin ? "replica " + std::to_string(stage.replica) : panel.rows[i].name();
    svg.FittedText(kLabels - 8, y + panel.work_height / 2 + 4, kLabels - 10, label, "small end", 11);
    free_from = y + kLine;
  }
}

/// The staircase of events that the step's length comes from, along the foot of their boxes, below their numbers; it
/// breaks off where it leads through rows that are not drawn.
void DrawCriticalPath(Svg& svg, const TimelinePanel& panel, const std::vector<int>& rows, const Scale& x) {
  std::string path;
  bool broken = true;
  for (const int index : CriticalPath(*panel.picture)) {
    const PictureEvent& event = panel.picture->events[static_cast<std::size_t>(index)];
    const int row = event.stage < 0 ? -1 : rows[static_cast<std::size_t>(event.stage)];
    const std::string y = Tenths(panel.pitch() * row + panel.work_height - 1);
    if (row >= 0) {
      if (broken) path += "M" + Tenths(x(event.start_s)) + " " + y;
      path += event.IsCommunication() ? "L" + Tenths(x(event.end_s)) + " " + y : "V" + y + "H" + Tenths(x(event.end_s));
    }
    broken = row < 0;
  }
  if (path.empty()) return;
  svg.Path(path, "critical halo");
  svg.Path(path, "critical");
}

/// Of microbatches, where they fit into their boxes.
void DrawNumbers(Svg& svg, const TimelinePanel& panel, const std::vector<int>& rows, const Scale& x) {
  if (panel.work_height < 13) return;
  for (const PictureEvent& event : panel.picture->events) {
    const int row = event.stage < 0 ? -1 : rows[static_cast<std::size_t>(event.stage)];
    if (row < 0 || !event.IsMicrobatchWork()) continue;
    const std::string number = panel.picture->NumberOf(event);
    const double width = x(event.end_s) - x(event.start_s);
    if (width <= TextWidth(number, 11) + 3) continue;
    svg.Text((x(event.start_s) + x(event.end_s)) / 2, panel.pitch() * row + panel.work_height / 2 + 4, number,
             "number " + event.kind + "-number");
  }
}

/// Returns how many marks went into their neighbours.
std::size_t DrawRows(Svg& svg, const TimelinePanel& panel, const Scale& x, const Detail& detail) {
  const std::vector<int> rows = panel.RowOfStages();
  std::vector<std::vector<const PictureEvent*>> events(panel.rows.size());
  for (const PictureEvent& event : panel.picture->events) {
    const int row = event.stage < 0 ? -1 : rows[static_cast<std::size_t>(event.stage)];
    if (row >= 0) events[static_cast<std::size_t>(row)].push_back(&event);
  }
  BoxPen pen(detail.merged_below);
  for (std::size_t row = 0; row < events.size(); ++row) {
    pen.StartRow(panel.pitch() * static_cast<double>(row), panel.work_height, panel.lane_height);
    for (const PictureEvent* event : events[row]) {
      pen.Add(ClassOf(*panel.picture, *event), x(event->start_s), x(event->end_s));
    }
  }
  pen.Draw(svg);
  if (detail.numbers) DrawNumbers(svg, panel, rows, x);
  DrawCriticalPath(svg, panel, rows, x);
  return pen.merged();
}

/// Of all device groups of the picture the share that computes, side on side: what the rows left out have in common.
void DrawOverview(Svg& svg, const TimelinePanel& panel, double top, const Scale& x) {
  constexpr std::size_t kBins = 200;
  std::map<Side, std::vector<double>> busy;  // share of the groups by bin
  const double bin_s = x.high / kBins;
  for (const PictureEvent& event : panel.picture->events) {
    if (event.stage < 0 || event.IsCommunication()) continue;
    std::vector<double>& bins = busy[panel.picture->stages[static_cast<std::size_t>(event.stage)].side];
    bins.resize(kBins);
    for (auto bin = static_cast<std::size_t>(event.start_s / bin_s); bin < kBins; ++bin) {
      const double from = std::max(event.start_s, bin_s * double(bin));
      const double to = std::min(event.end_s, bin_s * double(bin + 1));
      if (to <= from) break;
      bins[bin] += (to - from) / bin_s / double(panel.stored_rows);
    }
  }
  svg.FittedText(kLabels - 8, top + kOverview / 2 + 4, kLabels - 10,
                 "share of all " + std::to_string(panel.stored_rows) + " groups that computes", "small end muted");
  svg.OpenPlot(kLabels, top, kPlot, kOverview, "overview");
  svg.Rect(0, 0, kPlot, kOverview, "step");
  std::vector<double> foot(kBins);
  for (const auto& [side, bins] : busy) {
    std::string up = "M0 " + Tenths(kOverview);
    std::vector<std::string> down;  // left to right; a path goes back
    for (std::size_t bin = 0; bin < kBins; ++bin) {
      down.push_back("V" + Tenths(kOverview * (1 - foot[bin])) + "H" + Tenths(kPlot * double(bin) / kBins));
      foot[bin] += bins[bin];
      up += "V" + Tenths(kOverview * (1 - foot[bin])) + "H" + Tenths(kPlot * double(bin + 1) / kBins);
    }
    std::for_each(down.rbegin(), down.rend(), [&](const std::string& piece) { up += piece; });
    svg.Path(up + "z", std::string(SideName(side)) + " backward");
  }
  svg.ClosePlot();
}

void DrawPanel(Svg& svg, const TimelinePanel& panel, double y, const Scale& x, const Detail& detail) {
  const StepPicture& picture = *panel.picture;
  const double top = y + kHeader + OverviewHeight(panel);
  if (panel.is_cut()) DrawOverview(svg, panel, y + kHeader, x);
  DrawRowLabels(svg, panel, top);
  svg.OpenPlot(kLabels, top, kPlot, panel.rows_height(), "plot");
  svg.Rect(0, 0, x(picture.makespan_s), panel.rows_height(), "step");
  const std::size_t merged = DrawRows(svg, panel, x, detail);
  svg.ClosePlot();
  std::string note = "step " + Duration(picture.makespan_s);
  if (panel.rows.size() < picture.device_groups) {
    note += " · " + std::to_string(panel.rows.size()) + " of " + std::to_string(picture.device_groups) +
            " device groups drawn";
  }
  if (merged > 0) {
    note += " · " + std::to_string(merged) + (merged == 1 ? " mark below " : " marks below ") +
            TickText(detail.merged_below) + " px merged";
  }
  if (CriticalPath(picture).empty()) note += " · no critical path: its events do not all meet in time";
  svg.Text(kLabels + kPlot, y + 15, note, "small end muted");
  svg.FittedText(0, y + 15, kLabels + kPlot - TextWidth(note, 11) - 16, picture.shown(), "strong");
}

std::vector<LegendEntry> Legend(const std::vector<const StepPicture*>& pictures) {
  std::set<std::string> seen;
  for (const StepPicture* picture : pictures) {
    for (const PictureEvent& event : picture->events) {
      if (event.stage >= 0) seen.insert(ClassOf(*picture, event));
    }
    if (!CriticalPath(*picture).empty()) seen.insert("critical");
  }
  const std::vector<std::pair<std::string, std::string>> sides = {
      {"encoder", "encoder"}, {"llm", "LLM"}, {"shared", "encoder and LLM"}};
  std::vector<LegendEntry> all;
  for (const auto& [side, name] : sides) {
    all.push_back({side + " forward", name + " forward"});
    all.push_back({side + " backward", name + " backward"});
    all.push_back({side + " weight_gradient", name + " weight gradient"});
  }
  all.push_back({"optimizer_step", "optimizer step"});
  all.push_back({"transfer", "transfer (under the stage that waits)"});
  all.push_back({"gradient_reduction", "gradient reduction"});
  all.push_back({"parameter_gather", "parameter gather"});
  all.push_back({"critical", "critical path: what the step's length comes from"});
  std::erase_if(all, [&](const LegendEntry& entry) { return !seen.contains(entry.classes); });
  return all;
}

void DrawTimeAxis(Svg& svg, const Scale& x, double bottom) {
  svg.Line(kLabels, bottom, kLabels + kPlot, bottom, "axis");
  svg.OpenPlot(kLabels, bottom, kPlot + 14, 24, "ticks");
  for (const double tick : RoundTicks(x.low, x.high, 7)) {
    svg.Line(x(tick), 0, x(tick), 4, "axis");
    const bool first = x(tick) < 14;
    svg.Text(first ? 0 : x(tick), 17, TickText(tick) + " s", first ? "small muted" : "small middle muted");
  }
  svg.ClosePlot();
}

Svg Draw(const std::string& title, const std::vector<TimelinePanel>& panels, const std::vector<LegendEntry>& legend,
         double longest, const Detail& detail) {
  Svg svg(kWidth, title);
  const Scale x{0, longest > 0 ? longest : 1, 0, kPlot};
  double y = DrawLegend(svg, 0, 2, kWidth, legend) + 6;
  for (const TimelinePanel& panel : panels) {
    DrawPanel(svg, panel, y, x, detail);
    y += HeightOf(panel);
  }
  DrawTimeAxis(svg, x, y);
  svg.set_height(y + 26);
  return svg;
}

}  // namespace

Svg PipelineChart(const std::string& title, const std::vector<const StepPicture*>& pictures, std::size_t most_events,
                  std::size_t most_bytes) {
  std::vector<TimelinePanel> panels;
  double longest = 0;
  for (const StepPicture* picture : pictures) {
    panels.push_back(MakeTimelinePanel(*picture, most_events));
    longest = std::max(longest, picture->makespan_s);
  }
  const std::vector<LegendEntry> legend = Legend(pictures);
  const std::string whole = "One step of every policy, " + title;
  Svg svg = Draw(whole, panels, legend, longest, kDetails[0]);
  for (std::size_t i = 1; i < std::size(kDetails) && svg.bytes() > most_bytes; ++i) {
    svg = Draw(whole, panels, legend, longest, kDetails[i]);
  }
  return svg;
}

}  // namespace dflop
