// What is missing is named together with the command that makes it.
#include "experiments/reproduction/stored_results.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/sha256.hpp"

namespace dflop {
namespace {

/// A result of another experiment, or of the file as it was before, would be judged as if it were this one.
void CheckInputs(const Report& report, const std::string& file) {
  if (!report.inputs.is<Json::Object>() || !std::filesystem::exists(file)) return;
  const std::string name = std::filesystem::path(file).filename().string();
  for (const Json::Member& input : report.inputs.as<Json::Object>()) {
    if (std::filesystem::path(input.key).filename().string() != name) continue;
    if (input.value.as<std::string>() == Sha256Hex(ReadFile(file))) return;
    throw InputError(report.name + ": the result is of " + file + " as it was before it changed");
  }
  throw InputError(report.name + ": the result is of another experiment than " + file);
}

}  // namespace

StoredResults::StoredResults(std::string results, std::string experiments)
    : results_(std::move(results)), experiments_(std::move(experiments)) {}

std::string StoredResults::ExperimentFile(const std::string& experiment) const {
  return experiments_ + "/" + experiment + ".json";
}

std::size_t StoredResults::SeedsWanted(const std::string& experiment) const {
  const Json file = ReadJsonFile(ExperimentFile(experiment));
  const Json* seeds = file.find("seeds");
  return seeds == nullptr || !seeds->is<Json::Array>() ? 1 : seeds->as<Json::Array>().size();
}

bool StoredResults::Has(const std::string& experiment) const {
  return std::filesystem::exists(Folder(experiment) + "/result.json");
}

const Report& StoredResults::Get(const std::string& experiment) const {
  const auto known = read_.find(experiment);
  if (known != read_.end()) return *known->second;
  const std::string folder = Folder(experiment);
  const std::string command = "dflop run " + ExperimentFile(experiment) + " --out " + folder;
  if (!Has(experiment)) throw InputError(folder + "/result.json is missing; it is made by: " + command);
  auto report = std::make_unique<const Report>(ReadReport(folder, command));
  try {
    CheckInputs(*report, ExperimentFile(experiment));
  } catch (const InputError& error) {
    throw InputError(std::string(error.what()) + "; it is made anew by: " + command);
  }
  return *read_.emplace(experiment, std::move(report)).first->second;
}

const PointFigures& PointOf(const Report& report, const std::string& scenario) {
  const auto found = std::find_if(report.points.begin(), report.points.end(),
                                  [&](const PointFigures& point) { return point.scenario == scenario; });
  if (found == report.points.end()) throw InputError(report.name + ": the result has no scenario \"" + scenario + "\"");
  return *found;
}

const PolicyFigures& FiguresOf(const PointFigures& point, const std::string& policy) {
  const PolicyFigures* found = point.Find(policy);
  if (found == nullptr) throw InputError(point.title() + ": the result has no policy \"" + policy + "\"");
  if (found->seeds.empty()) throw InputError(point.title() + ", " + policy + ": " + found->infeasible);
  return *found;
}

double AxisValue(const PointFigures& point, const std::string& axis) {
  for (const auto& [name, value] : point.point) {
    if (name == axis && value.is_number()) return value.number();
  }
  throw InputError(point.title() + ": the result has no number at the axis " + axis);
}

Interval GainOver(const PointFigures& point, const std::string& baseline, const std::string& policy) {
  return SpeedupOver(FiguresOf(point, baseline).seeds, FiguresOf(point, policy).seeds);
}

std::vector<std::pair<const RunFigures*, const RunFigures*>> PairedSeeds(const PolicyFigures& a,
                                                                         const PolicyFigures& b) {
  std::vector<std::pair<const RunFigures*, const RunFigures*>> pairs;
  for (std::size_t i = 0; i < std::min(a.seeds.seeds.size(), a.by_seed.size()); ++i) {
    const auto found = std::find(b.seeds.seeds.begin(), b.seeds.seeds.end(), a.seeds.seeds[i]);
    const auto at = static_cast<std::size_t>(found - b.seeds.seeds.begin());
    if (at < b.by_seed.size()) pairs.emplace_back(&a.by_seed[i], &b.by_seed[at]);
  }
  if (pairs.empty()) throw InputError(a.policy + " and " + b.policy + ": no seed ran under both");
  return pairs;
}

Interval PairedRatio(const PolicyFigures& a, const PolicyFigures& b, double (*figure)(const RunFigures&)) {
  std::vector<double> above, below;
  for (const auto& [first, second] : PairedSeeds(a, b)) {
    above.push_back(figure(*first));
    below.push_back(figure(*second));
  }
  return RatioOfMeans(above, below);
}

const StepPicture& PictureOf(const Report& report, const std::string& scenario, const std::string& policy) {
  const auto found = std::find_if(report.pictures.begin(), report.pictures.end(), [&](const StepPicture& picture) {
    return picture.scenario == scenario && picture.policy == policy;
  });
  if (found == report.pictures.end()) {
    throw InputError(report.name + ": no timeline of " + scenario + ", " + policy +
                     " is stored; run the experiment again without --trace none");
  }
  return *found;
}

}  // namespace dflop
