// Rows stand replica by replica, so that a cut leaves whole replicas.
#include "experiments/report/timeline_panel.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace dflop {
namespace {

constexpr std::size_t kMostRows = 64;
constexpr std::size_t kFewestRows = 4;

std::vector<TimelineRow> AllRows(const StepPicture& picture) {
  std::map<int, TimelineRow> rows;
  for (const PictureStage& stage : picture.stages) {
    TimelineRow& row = rows[stage.group];
    row.group = stage.group;
    row.stages.push_back(&stage);
  }
  for (const PictureEvent& event : picture.events) {
    if (event.stage >= 0) ++rows.at(picture.stages[static_cast<std::size_t>(event.stage)].group).events;
  }
  std::vector<TimelineRow> ordered;
  ordered.reserve(rows.size());
  for (auto& [group, row] : rows) ordered.push_back(std::move(row));
  std::stable_sort(ordered.begin(), ordered.end(), [](const TimelineRow& a, const TimelineRow& b) {
    const PictureStage &left = *a.stages.front(), &right = *b.stages.front();
    return std::pair(left.replica, left.depth) < std::pair(right.replica, right.depth);
  });
  return ordered;
}

/// "LLM layers 0–3, 8–11" for two parts of one module, "encoder layers 0–39 + LLM 0–7" for parts of two.
std::string PartsOfRow(const std::vector<const PictureStage*>& stages) {
  constexpr std::string_view kLayers = "layers ";
  std::string text;
  std::string module;  // of the last part, "LLM layers "
  for (const PictureStage* stage : stages) {
    std::string part = stage->parts;
    const std::size_t layers = part.rfind(kLayers);
    const std::string of = layers == std::string::npos ? part : part.substr(0, layers + kLayers.size());
    if (layers != std::string::npos && of == module) {
      text += ", " + part.substr(of.size());
    } else {
      if (layers != std::string::npos && !text.empty()) part.erase(layers, kLayers.size());
      text += (text.empty() ? "" : " + ") + part;
    }
    module = of;
  }
  return text;
}

/// Two replicas leave little room.
std::string WithoutLayers(std::string parts) {
  constexpr std::string_view kLayers = "layers ";
  const std::size_t layers = parts.find(kLayers);
  return layers == std::string::npos ? parts : parts.erase(layers, kLayers.size());
}

}  // namespace

std::string TimelineRow::name() const {
  const PictureStage& first = *stages.front();
  // Of a device with several stages, the layers say which they are.
  const std::string stage = stages.size() == 1 ? "stage " + std::to_string(first.depth) + " · " : "";
  const auto up = std::find_if(stages.begin(), stages.end(), [](const PictureStage* one) { return one->goes_up; });
  if (up == stages.end()) return "replica " + std::to_string(first.replica) + " · " + stage + PartsOfRow(stages);
  return "replica " + std::to_string(first.replica) + " ↓ " + WithoutLayers(PartsOfRow({stages.begin(), up})) + ", " +
         std::to_string((*up)->replica) + " ↑ " + WithoutLayers(PartsOfRow({up, stages.end()}));
}

std::vector<int> TimelinePanel::RowOfStages() const {
  std::map<int, int> row_of_group;
  for (std::size_t i = 0; i < rows.size(); ++i) row_of_group[rows[i].group] = static_cast<int>(i);
  std::vector<int> places;
  places.reserve(picture->stages.size());
  for (const PictureStage& stage : picture->stages) {
    const auto found = row_of_group.find(stage.group);
    places.push_back(found == row_of_group.end() ? -1 : found->second);
  }
  return places;
}

TimelinePanel MakeTimelinePanel(const StepPicture& picture, std::size_t most_events) {
  TimelinePanel panel;
  panel.picture = &picture;
  std::vector<TimelineRow> rows = AllRows(picture);
  panel.stored_rows = rows.size();
  std::size_t events = 0;
  for (TimelineRow& row : rows) {
    events += row.events;
    if (panel.rows.size() >= kMostRows || (panel.rows.size() >= kFewestRows && events > most_events)) break;
    panel.rows.push_back(std::move(row));
  }
  const std::size_t count = panel.rows.size();
  panel.work_height = count <= 8 ? 17 : count <= 16 ? 13 : count <= 32 ? 9 : 6;
  panel.lane_height = count <= 16 ? 3 : 2;
  return panel;
}

std::size_t EventsOfEach(const std::vector<const StepPicture*>& pictures, std::size_t all) {
  std::vector<std::size_t> counts;
  counts.reserve(pictures.size());
  for (const StepPicture* picture : pictures) counts.push_back(picture->events.size());
  std::sort(counts.begin(), counts.end());
  std::size_t left = all;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::size_t share = left / (counts.size() - i);
    if (counts[i] > share) return share;
    left -= counts[i];
  }
  return all;
}

}  // namespace dflop
