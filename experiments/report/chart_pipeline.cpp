// One step of every policy on one time axis: a row per device group, boxes for its work, thin marks below for messages.
#include <algorithm>
#include <map>
#include <set>

#include "experiments/report/charts.hpp"
#include "experiments/results/figure_text.hpp"

namespace dflop {
namespace {

constexpr double kWidth = 960;
constexpr double kLabels = 150;
constexpr double kRight = 946;
constexpr double kHeader = 24;
constexpr std::size_t kMostRows = 64;
constexpr std::size_t kMostEvents = 4000;  // of one picture: beyond, a page grows too heavy for a browser

struct Row {
  int group = 0;
  PictureStage first;  ///< the first stage that the group holds
  int stages = 1;
  std::size_t events = 0;
};

/// What one policy's panel shows: whole rows, as many as the page can carry.
struct Panel {
  const StepPicture* picture = nullptr;
  std::vector<Row> rows;
  std::size_t all_rows = 0;
  double work_height = 0;  ///< of the boxes in a row
  double lane_height = 0;  ///< of the thin marks of communication under them
  double pitch() const { return work_height + lane_height + 1; }
  double height() const { return kHeader + pitch() * static_cast<double>(rows.size()) + 12; }
};

/// Device groups, replica by replica and along the pipeline, so that a cut leaves whole replicas.
std::vector<Row> RowsOf(const StepPicture& picture) {
  std::map<int, Row> rows;
  for (const PictureStage& stage : picture.stages) {
    const auto [found, added] = rows.try_emplace(stage.group, Row{stage.group, stage});
    if (!added) ++found->second.stages;
  }
  for (const PictureEvent& event : picture.events) {
    if (event.stage >= 0) ++rows.at(picture.stages[static_cast<std::size_t>(event.stage)].group).events;
  }
  std::vector<Row> ordered;
  ordered.reserve(rows.size());
  for (const auto& [group, row] : rows) ordered.push_back(row);
  std::stable_sort(ordered.begin(), ordered.end(), [](const Row& a, const Row& b) {
    return std::pair(a.first.replica, a.first.depth) < std::pair(b.first.replica, b.first.depth);
  });
  return ordered;
}

Panel MakePanel(const StepPicture& picture) {
  Panel panel;
  panel.picture = &picture;
  std::vector<Row> rows = RowsOf(picture);
  panel.all_rows = rows.size();
  std::size_t events = 0;
  for (Row& row : rows) {
    events += row.events;
    if (panel.rows.size() >= kMostRows || (panel.rows.size() >= 4 && events > kMostEvents)) break;
    panel.rows.push_back(std::move(row));
  }
  const std::size_t count = panel.rows.size();
  panel.work_height = count <= 8 ? 17 : count <= 16 ? 13 : count <= 32 ? 9 : 6;
  panel.lane_height = count <= 16 ? 3 : 2;
  return panel;
}

std::string RowLabel(const Row& row) {
  std::string place = "r" + std::to_string(row.first.replica) + " s" + std::to_string(row.first.depth);
  if (row.stages > 1) place += " +" + std::to_string(row.stages - 1);
  return place + " · " + row.first.modules;
}

/// Thin rows are labelled once per replica, and only where the label before leaves room.
void DrawRowLabels(Svg& svg, const Panel& panel, double top) {
  constexpr double kLine = 12;
  const bool thin = panel.pitch() < kLine;
  double free_from = top;
  for (std::size_t i = 0; i < panel.rows.size(); ++i) {
    const Row& row = panel.rows[i];
    const double y = top + panel.pitch() * static_cast<double>(i);
    const bool first_of_replica = i == 0 || panel.rows[i - 1].first.replica != row.first.replica;
    if (i > 0 && first_of_replica) svg.Line(kLabels - 8, y - 0.5, kRight, y - 0.5, "grid");
    if (thin && (!first_of_replica || y < free_from)) continue;
    const std::string label = thin ? "replica " + std::to_string(row.first.replica) : RowLabel(row);
    svg.FittedText(kLabels - 10, y + panel.work_height / 2 + 4, kLabels - 14, label, "small end");
    free_from = y + kLine;
  }
}

std::string EventTip(const PictureEvent& event, const PictureStage& stage) {
  std::string text = stage.modules + " replica " + std::to_string(stage.replica) + ", stage " +
                     std::to_string(stage.depth) + (stage.gpus.empty() ? "" : ", " + stage.gpus) + ": " + event.kind;
  std::replace(text.begin(), text.end(), '_', ' ');
  if (event.microbatch >= 0) text += " of microbatch " + std::to_string(event.microbatch);
  return text + ", starts " + Duration(event.start_s) + ", takes " + Duration(event.duration_s());
}

bool IsCommunication(const PictureEvent& event) {
  return event.kind == "transfer" || event.kind == "gradient_reduction" || event.kind == "parameter_gather";
}

void DrawEvent(Svg& svg, const PictureEvent& event, const PictureStage& stage, double y, const Panel& panel,
               const Scale& x) {
  const double left = x(event.start_s);
  const double width = x(event.end_s) - left;
  const std::string tip = EventTip(event, stage);
  if (IsCommunication(event)) {
    return svg.Rect(left, y + panel.work_height, std::max(width, 0.6), panel.lane_height, event.kind, tip);
  }
  const std::string classes = (event.IsMicrobatchWork() ? std::string(SideName(stage.side)) + " " : "") + event.kind;
  svg.Rect(left, y, width, panel.work_height, classes, tip);
  const std::string number = std::to_string(event.microbatch);
  if (event.IsMicrobatchWork() && panel.work_height >= 13 && width > TextWidth(number, 10) + 3) {
    svg.Text(left + width / 2, y + panel.work_height / 2 + 3.5, number, "number " + event.kind + "-number");
  }
}

void DrawEvents(Svg& svg, const Panel& panel, double top, const Scale& x) {
  std::map<int, double> row_top;
  for (std::size_t i = 0; i < panel.rows.size(); ++i) {
    row_top[panel.rows[i].group] = top + panel.pitch() * static_cast<double>(i);
  }
  for (const PictureEvent& event : panel.picture->events) {
    if (event.stage < 0) continue;
    const PictureStage& stage = panel.picture->stages[static_cast<std::size_t>(event.stage)];
    const auto found = row_top.find(stage.group);
    if (found != row_top.end()) DrawEvent(svg, event, stage, found->second, panel, x);
  }
}

void DrawPanel(Svg& svg, const Panel& panel, double y, const Scale& x) {
  const StepPicture& picture = *panel.picture;
  std::string note = "step " + Duration(picture.makespan_s);
  if (panel.rows.size() < panel.all_rows) {
    note +=
        " · " + std::to_string(panel.rows.size()) + " of " + std::to_string(panel.all_rows) + " device groups drawn";
  }
  svg.Text(kRight, y + 15, note, "small end muted");
  svg.FittedText(0, y + 15, kRight - TextWidth(note) - 16, picture.shown(), "strong");
  const double top = y + kHeader;
  const double bottom = top + panel.pitch() * static_cast<double>(panel.rows.size());
  svg.Rect(x(0), top, x(picture.makespan_s) - x(0), bottom - top, "step");
  DrawRowLabels(svg, panel, top);
  DrawEvents(svg, panel, top, x);
  svg.Line(x(picture.makespan_s), top - 3, x(picture.makespan_s), bottom + 3, "axis");
}

std::vector<LegendEntry> Legend(const std::vector<const StepPicture*>& pictures) {
  std::set<std::string> seen;
  for (const StepPicture* picture : pictures) {
    for (const PictureEvent& event : picture->events) {
      if (event.stage < 0) continue;
      const std::string side = SideName(picture->stages[static_cast<std::size_t>(event.stage)].side);
      seen.insert(event.IsMicrobatchWork() ? side + " " + event.kind : event.kind);
    }
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
  std::erase_if(all, [&](const LegendEntry& entry) { return !seen.contains(entry.classes); });
  return all;
}

}  // namespace

Svg PipelineChart(const std::string& title, const std::vector<const StepPicture*>& pictures) {
  Svg svg(kWidth, "One step of every policy, " + title);
  std::vector<Panel> panels;
  double longest = 0;
  for (const StepPicture* picture : pictures) {
    panels.push_back(MakePanel(*picture));
    longest = std::max(longest, picture->makespan_s);
  }
  const Scale x{0, longest > 0 ? longest : 1, kLabels, kRight};
  const double top = DrawLegend(svg, 0, 2, kWidth, Legend(pictures)) + 6;
  double bottom = top;
  for (const Panel& panel : panels) bottom += panel.height();
  double y = top;
  for (const Panel& panel : panels) {
    DrawPanel(svg, panel, y, x);
    y += panel.height();
  }
  svg.Line(x.from, bottom, x.to, bottom, "axis");
  for (const double tick : RoundTicks(x.low, x.high, 8)) {
    svg.Line(x(tick), bottom, x(tick), bottom + 4, "axis");
    svg.Text(x(tick), bottom + 17, TickText(tick) + " s", "small middle muted");
  }
  svg.set_height(bottom + 24);
  return svg;
}

}  // namespace dflop
