// Lists of whole numbers, as many thousands of events are to weigh little: times in millionths of the longest step,
// starts as differences.
#include "experiments/report/timeline_data.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/json.hpp"
#include "experiments/report/timeline_panel.hpp"
#include "experiments/results/picture_waits.hpp"

namespace dflop {
namespace {

constexpr double kTicks = 1e6;                     // of the longest step
constexpr std::size_t kMostSampleNumbers = 8'000;  // of one picture; beyond, microbatches say how many they hold

class PanelData {
 public:
  PanelData(const StepPicture& picture, std::size_t most_events, double tick_s)
      : picture_(picture), panel_(MakeTimelinePanel(picture, most_events)), tick_s_(tick_s) {}

  Json Make() {
    Json json;
    json["name"] = picture_.shown();
    json["end"] = Ticks(picture_.makespan_s);
    json["pitch"] = panel_.pitch();
    json["work"] = panel_.work_height;
    json["lane"] = panel_.lane_height;
    json["rows"] = Json::EmptyArray();
    for (const TimelineRow& row : panel_.rows) json["rows"].push_back(RowInWords(row));
    AddStages(json);
    AddEvents(json);
    AddWaits(json);
    json["path"] = Json::EmptyArray();
    for (const int event : CriticalPath(picture_)) json["path"].push_back(PlaceOf(event));  // −1: not drawn
    AddSamples(json);
    return json;
  }

 private:
  std::int64_t Ticks(double seconds) const { return std::llround(seconds / tick_s_); }
  int PlaceOf(int event) const { return event < 0 ? -1 : places_[static_cast<std::size_t>(event)]; }

  static std::string RowInWords(const TimelineRow& row) {
    const std::string& gpus = row.stages.front()->gpus;
    return row.name() + (gpus.empty() ? "" : ", " + gpus);
  }

  /// A quadruple each: row, side, what it is called, the list of samples of its microbatches (−1 for none).
  void AddStages(Json& json) {
    rows_ = panel_.RowOfStages();
    json["stages"] = Json::EmptyArray();
    for (std::size_t i = 0; i < picture_.stages.size(); ++i) {
      const PictureStage& stage = picture_.stages[i];
      const auto samples = picture_.samples.find({stage.module, stage.replica});
      const auto list = samples == picture_.samples.end() ? -1 : std::distance(picture_.samples.begin(), samples);
      json["stages"].push_back(Json(Json::Array{rows_[i], SideName(stage.side), StageInWords(stage), list}));
    }
  }
  static std::string StageInWords(const PictureStage& stage) {
    return "replica " + std::to_string(stage.replica) + " · stage " + std::to_string(stage.depth) + " · " + stage.parts;
  }

  /// Five numbers each: stage, kind, microbatch, start after the event before, duration; of transfers, in their order,
  /// also the stage that sends.
  void AddEvents(Json& json) {
    Json::Array numbers, from, kinds;
    std::map<std::string, std::int64_t> kind_numbers;
    std::int64_t before = 0;
    int count = 0;
    for (const PictureEvent& event : picture_.events) {
      const bool drawn = event.stage >= 0 && rows_[static_cast<std::size_t>(event.stage)] >= 0;
      places_.push_back(drawn ? count++ : -1);
      if (!drawn) continue;
      const auto [kind, is_new] = kind_numbers.try_emplace(event.kind, std::int64_t(kinds.size()));
      if (is_new) kinds.emplace_back(event.kind);
      const std::int64_t start = Ticks(event.start_s);
      for (const std::int64_t number : {std::int64_t{event.stage}, kind->second, std::int64_t{event.microbatch},
                                        start - before, Ticks(event.end_s) - start}) {
        numbers.emplace_back(number);
      }
      before = start;
      if (event.kind == "transfer") from.emplace_back(event.from_stage);
    }
    json["kinds"] = Json(std::move(kinds));
    json["events"] = Json(std::move(numbers));
    json["from"] = Json(std::move(from));
  }

  /// Five numbers each: row, start, duration, the event that ends it, the event that it was for; −1 for none.
  void AddWaits(Json& json) const {
    std::map<int, int> row_of_group;
    for (std::size_t i = 0; i < panel_.rows.size(); ++i) row_of_group[panel_.rows[i].group] = static_cast<int>(i);
    Json::Array numbers;
    for (const PictureWait& wait : WaitsOf(picture_)) {
      const auto row = row_of_group.find(wait.group);
      if (row == row_of_group.end()) continue;
      const std::int64_t start = Ticks(wait.start_s);
      for (const std::int64_t number : {std::int64_t{row->second}, start, Ticks(wait.end_s) - start,
                                        std::int64_t{PlaceOf(wait.next)}, std::int64_t{PlaceOf(wait.cause)}}) {
        numbers.emplace_back(number);
      }
    }
    json["waits"] = Json(std::move(numbers));
  }

  /// By module and replica, [microbatch]: the numbers of the samples, or how many there are.
  void AddSamples(Json& json) const {
    std::size_t all = 0;
    for (const auto& [place, microbatches] : picture_.samples) {
      for (const std::vector<int>& samples : microbatches) all += samples.size();
    }
    json["splits"] = picture_.splits;
    json["samples"] = Json::EmptyArray();
    for (const auto& [place, microbatches] : picture_.samples) {
      Json list = Json::EmptyArray();
      for (const std::vector<int>& samples : microbatches) {
        list.push_back(all <= kMostSampleNumbers ? Json::ArrayOf(samples) : Json(samples.size()));
      }
      json["samples"].push_back(std::move(list));
    }
  }

  const StepPicture& picture_;
  TimelinePanel panel_;
  double tick_s_;
  std::vector<int> rows_;    ///< [stage]
  std::vector<int> places_;  ///< [event of the picture]: its place among those in the data, −1 for none
};

}  // namespace

std::string TimelineData(const std::vector<const StepPicture*>& pictures, std::size_t most_events) {
  double longest = 0;
  for (const StepPicture* picture : pictures) longest = std::max(longest, picture->makespan_s);
  const double tick_s = (longest > 0 ? longest : 1) / kTicks;
  Json data;
  data["tick_s"] = tick_s;
  data["panels"] = Json::EmptyArray();
  for (const StepPicture* picture : pictures) {
    data["panels"].push_back(PanelData(*picture, most_events, tick_s).Make());
  }
  std::string text = data.Dump();
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at))
    text.replace(at, 1, "\\u003c");
  return text;
}

}  // namespace dflop
