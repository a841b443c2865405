// One step of every policy on one time axis: a row per device group, boxes for its work, thin marks below for messages.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "experiments/report/charts.hpp"
#include "experiments/results/figure_text.hpp"

namespace dflop {
namespace {

constexpr double kWidth = 960;
constexpr double kLabels = 150;
constexpr double kRight = 946;
constexpr double kHeader = 24;
constexpr std::size_t kMostRows = 64;
constexpr double kThinnest = 0.6;  // that a message is drawn

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

Panel MakePanel(const StepPicture& picture, std::size_t most_events) {
  Panel panel;
  panel.picture = &picture;
  std::vector<Row> rows = RowsOf(picture);
  panel.all_rows = picture.device_groups;
  std::size_t events = 0;
  for (Row& row : rows) {
    events += row.events;
    if (panel.rows.size() >= kMostRows || (panel.rows.size() >= 4 && events > most_events)) break;
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

/// What all events of a row share; of several stages each event names its own.
std::string RowTip(const Row& row) {
  const PictureStage& stage = row.first;
  const std::string place = row.stages == 1 ? ", stage " + std::to_string(stage.depth) : "";
  return (row.stages == 1 ? stage.modules + " " : "") + "replica " + std::to_string(stage.replica) + place +
         (stage.gpus.empty() ? "" : ", " + stage.gpus);
}

std::string EventTip(const PictureEvent& event, const std::string& place) {
  std::string text = place + event.kind;
  std::replace(text.begin(), text.end(), '_', ' ');
  if (event.microbatch >= 0) text += " of microbatch " + std::to_string(event.microbatch);
  return text + ", starts " + Duration(event.start_s) + ", takes " + Duration(event.duration_s());
}

bool IsCommunication(const PictureEvent& event) {
  return event.kind == "transfer" || event.kind == "gradient_reduction" || event.kind == "parameter_gather";
}

/// Messages of one kind whose marks would lie on one another, as one mark.
struct Mark {
  const PictureEvent* first = nullptr;
  std::size_t count = 1;
  double end_s = 0;

  std::string Tip(const std::string& place) const {
    if (count == 1) return EventTip(*first, place);
    return std::to_string(count) + " × " + EventTip({first->kind, first->stage, -1, first->start_s, end_s}, "");
  }
};

/// What a row shows is placed from the row's top, and says what the row does not.
class RowPen {
 public:
  RowPen(Svg& svg, const Panel& panel, const Row& row, const Scale& x)
      : svg_(svg), panel_(panel), several_stages_(row.stages > 1), x_(x) {}

  /// Events in the order of their starts.
  void Draw(const std::vector<const PictureEvent*>& events) {
    std::map<std::string, Mark> marks;  // by kind, the last one
    for (const PictureEvent* event : events) {
      IsCommunication(*event) ? Collect(*event, marks) : DrawWork(*event);
    }
    for (const auto& [kind, mark] : marks) DrawMark(mark);
  }

 private:
  const PictureStage& StageOf(const PictureEvent& event) const {
    return panel_.picture->stages[static_cast<std::size_t>(event.stage)];
  }
  std::string PlaceOf(const PictureEvent& event) const {
    if (!several_stages_) return "";
    return StageOf(event).modules + " stage " + std::to_string(StageOf(event).depth) + ": ";
  }

  void Collect(const PictureEvent& event, std::map<std::string, Mark>& marks) {
    const auto [entry, is_first] = marks.try_emplace(event.kind, Mark{&event, 1, event.end_s});
    if (is_first) return;
    Mark& last = entry->second;
    if (x_(event.start_s) < std::max(x_(last.end_s), x_(last.first->start_s) + kThinnest)) {
      ++last.count;
      last.end_s = std::max(last.end_s, event.end_s);
    } else {
      DrawMark(std::exchange(last, Mark{&event, 1, event.end_s}));
    }
  }

  void DrawMark(const Mark& mark) {
    const double left = x_(mark.first->start_s);
    svg_.Rect(left, panel_.work_height, std::max(x_(mark.end_s) - left, kThinnest), panel_.lane_height,
              mark.first->kind, mark.Tip(PlaceOf(*mark.first)));
  }

  void DrawWork(const PictureEvent& event) {
    const double left = x_(event.start_s);
    const double width = x_(event.end_s) - left;
    const Side side = StageOf(event).side;
    const std::string classes = (event.IsMicrobatchWork() ? std::string(SideName(side)) + " " : "") + event.kind;
    svg_.Rect(left, 0, width, panel_.work_height, classes, EventTip(event, PlaceOf(event)));
    const std::string number = std::to_string(event.microbatch);
    if (event.IsMicrobatchWork() && panel_.work_height >= 13 && width > TextWidth(number, 10) + 3) {
      svg_.Text(left + width / 2, panel_.work_height / 2 + 3.5, number, "number " + event.kind + "-number");
    }
  }

  Svg& svg_;
  const Panel& panel_;
  bool several_stages_;
  const Scale& x_;
};

void DrawEvents(Svg& svg, const Panel& panel, double top, const Scale& x) {
  std::map<int, std::vector<const PictureEvent*>> events;  // by device group
  for (const PictureEvent& event : panel.picture->events) {
    if (event.stage < 0) continue;
    events[panel.picture->stages[static_cast<std::size_t>(event.stage)].group].push_back(&event);
  }
  for (std::size_t i = 0; i < panel.rows.size(); ++i) {
    const Row& row = panel.rows[i];
    svg.OpenRow(top + panel.pitch() * static_cast<double>(i), RowTip(row));
    RowPen(svg, panel, row, x).Draw(events[row.group]);
    svg.Close();
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

Svg PipelineChart(const std::string& title, const std::vector<const StepPicture*>& pictures, std::size_t most_events) {
  Svg svg(kWidth, "One step of every policy, " + title);
  std::vector<Panel> panels;
  double longest = 0;
  for (const StepPicture* picture : pictures) {
    panels.push_back(MakePanel(*picture, most_events));
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
