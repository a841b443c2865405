// A unit's hash holds all that its result depends on and no more: the experiment's file may change beside it.
#include "experiments/run/inputs.hpp"

#include <filesystem>
#include <set>

#include "base/file.hpp"
#include "base/sha256.hpp"
#include "experiments/run/provenance.hpp"
#include "models/model_data.hpp"

namespace dflop {
namespace {

std::string HashOfBuiltInTables() {
  Sha256 hash;
  for (const EmbeddedFile& file : ModelData()) {
    hash.Add(file.path);
    hash.Add(static_cast<std::int64_t>(file.content.size()));
    hash.Add(file.content);
  }
  return hash.Hex();
}

}  // namespace

Json InputHashes(const Experiment& experiment) {
  Json inputs;
  inputs[experiment.file] = Sha256Hex(ReadFile(experiment.file));
  std::set<std::string> files;
  for (const Point& point : experiment.points) {
    for (std::string& file : FilesOf(point.scenario.json)) files.insert(std::move(file));
    for (const PolicySpec& policy : point.scenario.policies) {
      for (std::string& file : FilesOf(policy)) files.insert(std::move(file));
    }
  }
  const std::filesystem::path folder = std::filesystem::absolute(experiment.file).parent_path();
  for (const std::string& file : files) {
    inputs[std::filesystem::path(file).lexically_relative(folder).string()] = Sha256Hex(ReadFile(file));
  }
  inputs["built-in tables"] = HashOfBuiltInTables();
  return inputs;
}

std::string UnitHash(const Unit& unit, const Json& inputs, TraceDetail trace) {
  Json all;
  all["program"] = ProgramHash();
  all["scenario"] = unit.point->scenario.json;
  all["point"] = unit.point->values;
  all["policy"] = ToJson(*unit.policy);
  all["seeds"] = Json::ArrayOf(unit.seeds);
  all["steps"] = unit.experiment->steps;
  all["engine"] = unit.experiment->engine;
  all["has_sweep"] = unit.experiment->has_sweep;
  all["drawn"] = unit.drawn;
  if (unit.drawn) all["trace"] = TraceDetailNames()[static_cast<std::size_t>(trace)];
  // The experiment's own file is left out: what of it matters here stands above, and other units may have changed.
  for (const Json::Member& input : inputs.as<Json::Object>()) {
    if (input.key != unit.experiment->file) all["inputs"][input.key] = input.value;
  }
  return Sha256Hex(all.Dump());
}

}  // namespace dflop
