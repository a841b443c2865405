// Said where it holds at every point of a scenario: what has an effect at one of them has an effect.
#include "experiments/results/whole_run_inputs.hpp"

#include <algorithm>
#include <map>

namespace dflop {
namespace {

/// As many samples as plans are made from.
std::vector<std::string> RatesOfNothing(const Scenario& scenario) {
  std::vector<std::string> lines;
  if (!scenario.data_loading) return lines;
  RandomStream random = scenario.Stream(0, "trial");
  const std::vector<Sample> samples = scenario.DrawSamples(random, scenario.planning_samples);
  for (const LoadedKind& kind : kLoadedKinds) {
    if (*scenario.data_loading.*kind.rate == 0) continue;
    const bool held =
        std::any_of(samples.begin(), samples.end(), [&](const Sample& sample) { return kind.count(sample) > 0; });
    if (held) continue;
    lines.push_back(scenario.pointer + "/data_loading/" + kind.key + ": has no effect: none of " +
                    std::to_string(samples.size()) + " samples holds " + kind.words);
  }
  return lines;
}

std::vector<std::string> OddFailures(const Scenario& scenario) {
  if (!scenario.training || !scenario.training->failures) return {};
  const std::string place = scenario.pointer + "/training/failures";
  if (scenario.training->failures->per_gpu_hour == 0) return {place + ": has no effect: per_gpu_hour is 0"};
  if (scenario.training->checkpoint) return {};
  return {place + ": without a checkpoint every failure loses the whole run"};
}

/// Whether a training that took so many steps and seconds has ended before its first checkpoint was due.
bool EndsBefore(const CheckpointSpec& checkpoint, double steps, double seconds) {
  return checkpoint.every_steps ? *checkpoint.every_steps >= steps : *checkpoint.every_s >= seconds;
}

std::vector<std::string> LateCheckpoints(const Scenario& scenario, const Json& runs) {
  if (!scenario.training || !scenario.training->checkpoint) return {};
  bool any = false;
  for (const Json& run : runs.as<Json::Array>()) {
    const Json* metrics = run.find("metrics");
    if (metrics == nullptr || run.find("scenario")->as<std::string>() != scenario.name) continue;
    const Json* training = metrics->find("training");
    if (training == nullptr) return {};
    const double seconds = 3600 * training->find("hours")->find("p50")->number();
    if (!EndsBefore(*scenario.training->checkpoint, training->find("steps")->number(), seconds)) return {};
    any = true;
  }
  if (!any) return {};
  return {scenario.pointer + "/training/checkpoint: is written at the end alone: the training is over before"};
}

}  // namespace

std::vector<std::string> WholeRunInputs(const Experiment& experiment, const Json& runs) {
  std::map<std::string, std::size_t> points;  // of a scenario, by its pointer
  std::vector<std::pair<std::string, const Scenario*>> said;
  for (const Point& point : experiment.points) {
    ++points[point.scenario.pointer];
    for (const auto& lines :
         {RatesOfNothing(point.scenario), OddFailures(point.scenario), LateCheckpoints(point.scenario, runs)}) {
      for (const std::string& line : lines) said.emplace_back(line, &point.scenario);
    }
  }
  std::map<std::string, std::size_t> counts;
  for (const auto& [line, scenario] : said) ++counts[line];
  std::vector<std::string> lines;
  for (const auto& [line, scenario] : said) {
    if (counts[line] != points[scenario->pointer]) continue;
    lines.push_back(experiment.file + ":" + line);
    counts[line] = 0;  // once
  }
  return lines;
}

}  // namespace dflop
