// A complaint about a scenario at a point of the sweep is shown at the axis that brought the value.
#include "experiments/spec/experiment.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.hpp"
#include "sim/engine/engine.hpp"

namespace dflop {
namespace {

std::vector<std::int64_t> ReadSeeds(const JsonReader& json) {
  if (json.Size() == 0) json.Fail("is empty, at least one seed is wanted");
  std::vector<std::int64_t> seeds;
  for (const JsonReader& element : json.Elements()) {
    const std::int64_t seed = element.Int(0, kLargestSeed);
    if (std::find(seeds.begin(), seeds.end(), seed) != seeds.end()) element.Fail("stands twice in the list");
    seeds.push_back(seed);
  }
  return seeds;
}

// It becomes a folder's name.
std::string ReadExperimentName(const JsonReader& json) {
  const std::string name = ReadName(json);
  if (name.find('/') != std::string::npos || name.starts_with(".")) {
    json.Fail("names the folder of the results: it must hold no / and not start with a dot");
  }
  return name;
}

std::string WithoutPlace(const InputError& error) {
  const std::string place = error.file() + ":" + error.pointer() + ": ";
  const std::string text = error.what();
  return text.starts_with(place) ? text.substr(place.size()) : text;
}

/// Reads one scenario of the file at every point of the sweep.
class PointReader {
 public:
  PointReader(const JsonReader& root, const std::vector<SweepAxis>& axes, const std::vector<PolicySpec>& policies)
      : root_(root), axes_(axes), policies_(policies) {}

  void Read(const JsonReader& scenario, std::vector<Point>& points) const {
    Json resolved = scenario.json();
    ResolveFiles(resolved, Folder());
    const Scenario in_place = ReadScenario(JsonReader(resolved, scenario.file(), scenario.pointer()), policies_);
    if (axes_.empty()) {
      points.push_back({Json(), in_place});
      return;
    }
    for (const std::vector<std::size_t>& indices : SweepPoints(axes_)) points.push_back(At(scenario, indices));
  }

 private:
  std::string Folder() const { return std::filesystem::path(root_.file()).parent_path().string(); }

  JsonReader AxisReader(std::size_t axis) const { return root_.At("sweep").At(axes_[axis].pointer); }

  Point At(const JsonReader& scenario, const std::vector<std::size_t>& indices) const {
    Point point;
    Json json = scenario.json();
    for (std::size_t axis = 0; axis < axes_.size(); ++axis) {
      const Json& value = axes_[axis].values[indices[axis]];
      point.values[axes_[axis].pointer] = value;
      if (!WriteAt(json, axes_[axis].pointer, value)) {
        AxisReader(axis).Fail("points at nothing in the scenario at " + scenario.pointer());
      }
    }
    ResolveFiles(json, Folder());
    try {
      point.scenario = ReadScenario(JsonReader(json, scenario.file(), ""), policies_);
      point.scenario.pointer = scenario.pointer();
    } catch (const InputError& error) {
      if (error.file() != scenario.file()) throw;  // a file named by the scenario has its own place to show
      const std::size_t axis = Culprit(error.pointer());
      AxisReader(axis)
          .Element(indices[axis])
          .Fail("written to " + scenario.pointer() + axes_[axis].pointer + ": " + WithoutPlace(error) + " (at " +
                error.pointer() + ")");
    }
    return point;
  }

  // The axis whose place the complaint is about, judged by the longest common beginning.
  std::size_t Culprit(const std::string& pointer) const {
    std::size_t best = 0;
    std::size_t longest = 0;
    for (std::size_t axis = 0; axis < axes_.size(); ++axis) {
      const std::string& place = axes_[axis].pointer;
      const auto [a, b] = std::mismatch(place.begin(), place.end(), pointer.begin(), pointer.end());
      const auto common = static_cast<std::size_t>(a - place.begin());
      if (common > longest) longest = common, best = axis;
    }
    return best;
  }

  const JsonReader& root_;
  const std::vector<SweepAxis>& axes_;
  const std::vector<PolicySpec>& policies_;
};

std::vector<Point> ReadPoints(const JsonReader& root, const std::vector<PolicySpec>& policies) {
  const auto sweep = root.Find("sweep");
  const std::vector<SweepAxis> axes = sweep ? ReadSweep(*sweep) : std::vector<SweepAxis>();
  const JsonReader scenarios = root.At("scenarios");
  if (scenarios.Size() == 0) scenarios.Fail("is empty, at least one scenario is wanted");
  const PointReader reader(root, axes, policies);
  std::vector<Point> points;
  std::set<std::string> names;
  for (const JsonReader& scenario : scenarios.Elements()) {
    const std::string name = scenario.At("name").String();
    if (!names.insert(name).second) scenario.At("name").Fail("another scenario is called " + JsonQuote(name));
    reader.Read(scenario, points);
  }
  return points;
}

std::vector<std::string> ReadBaselines(const JsonReader& root, const std::vector<Point>& points) {
  const auto baselines = root.Find("baselines");
  if (!baselines) return {};
  std::vector<std::string> known;
  for (const Point& point : points) {
    for (const PolicySpec& policy : point.scenario.policies) {
      if (std::find(known.begin(), known.end(), policy.name) == known.end()) known.push_back(policy.name);
    }
  }
  std::vector<std::string> names;
  for (const JsonReader& element : baselines->Elements()) {
    const std::string name = element.OneOf(known);
    if (std::find(names.begin(), names.end(), name) != names.end()) element.Fail("stands twice in the list");
    names.push_back(name);
  }
  return names;
}

std::string ReadEngine(const JsonReader& root, const std::optional<std::string>& replaced) {
  const std::vector<std::string> engines = EngineNames();
  const std::string written = root.OneOfOr("engine", "replay", engines);
  if (!replaced) return written;
  if (std::find(engines.begin(), engines.end(), *replaced) == engines.end()) {
    throw InputError("--engine: " + JsonQuote(*replaced) + " is not in this program, allowed: " + JoinNames(engines));
  }
  return *replaced;
}

}  // namespace

Experiment ReadExperiment(const std::string& path, const ExperimentOverrides& overrides) {
  const Json document = ReadJsonFile(path);
  const JsonReader root(document, path);
  root.CheckSchema("dflop/experiment/1", true);
  root.AllowOnly(
      {"schema", "name", "description", "seeds", "steps", "engine", "scenarios", "policies", "baselines", "sweep"});
  Experiment experiment;
  experiment.file = path;
  experiment.name = ReadExperimentName(root.At("name"));
  experiment.description = root.StringOr("description", "");
  experiment.seeds = root.Has("seeds") ? ReadSeeds(root.At("seeds")) : std::vector<std::int64_t>{1};
  if (overrides.seed) experiment.seeds = {*overrides.seed};
  if (overrides.first_seeds) {
    const auto most = static_cast<std::size_t>(*overrides.first_seeds);
    experiment.seeds.resize(std::min(experiment.seeds.size(), most));
  }
  experiment.steps = static_cast<int>(root.IntOr("steps", 1, 1, 1'000'000));
  experiment.engine = ReadEngine(root, overrides.engine);
  const std::vector<PolicySpec> policies =
      root.Has("policies") ? ReadPolicies(root.At("policies")) : std::vector<PolicySpec>();
  experiment.points = ReadPoints(root, policies);
  experiment.baselines = ReadBaselines(root, experiment.points);
  experiment.has_sweep = root.Has("sweep");
  experiment.policies_replaced =
      root.Has("policies") && std::all_of(experiment.points.begin(), experiment.points.end(),
                                          [](const Point& point) { return point.scenario.json.find("policies"); });
  return experiment;
}

}  // namespace dflop
