// What is missing is named together with the command that makes it.
#include "experiments/reproduction/stored_results.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/error.hpp"

namespace dflop {

StoredResults::StoredResults(std::string results, std::string experiments)
    : results_(std::move(results)), experiments_(std::move(experiments)) {}

std::string StoredResults::ExperimentFile(const std::string& experiment) const {
  return experiments_ + "/" + experiment + ".json";
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
  try {
    return *read_.emplace(experiment, std::make_unique<const Report>(ReadReport(folder))).first->second;
  } catch (const InputError& error) {
    throw InputError(std::string(error.what()) +
                     "\nThe result is of another version or broken; it is made anew by: " + command);
  }
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
