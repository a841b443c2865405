// Files are named by a unit's hash and hold it in full; the runs are written last: where they stand, all is there.
#include "experiments/run/partial_store.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "base/text.hpp"

namespace dflop {
namespace {

constexpr const char* kFinished = "finished.jsonl";
constexpr std::size_t kNameLength = 32;  // hexadecimal digits of the hash in a file's name

bool IsPartial(const std::string& file_name) {
  if (file_name.size() <= kNameLength || file_name[kNameLength] != '.') return false;
  return std::all_of(file_name.begin(), file_name.begin() + kNameLength,
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

std::string PartialStore::Path(const std::string& unit_hash, const char* ending) const {
  return (std::filesystem::path(folder_) / (unit_hash.substr(0, kNameLength) + ending)).string();
}

std::optional<Json> PartialStore::Read(const std::string& unit_hash) const {
  const std::string path = Path(unit_hash, ".json");
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::nullopt;
  try {
    const Json json = ReadJsonFile(path);
    const Json* inputs = json.find("inputs");
    const Json* runs = json.find("runs");
    const bool ours = inputs != nullptr && *inputs == Json(unit_hash);
    const bool whole = runs != nullptr && runs->is<Json::Array>() && !runs->as<Json::Array>().empty();
    return ours && whole ? std::optional<Json>(*runs) : std::nullopt;
  } catch (const InputError&) {
    return std::nullopt;  // damaged: the unit is simply run again
  }
}

bool PartialStore::Has(const std::string& unit_hash, bool drawn) const {
  const std::optional<Json> runs = Read(unit_hash);
  if (!runs) return false;
  const bool infeasible = runs->as<Json::Array>().front().find("infeasible") != nullptr;
  if (!drawn || infeasible) return true;
  return std::filesystem::exists(TracePath(unit_hash)) && std::filesystem::exists(TimelinePath(unit_hash));
}

void PartialStore::Save(const std::string& unit_hash, const Json& runs) const {
  Json json;
  json["schema"] = "dflop/partial/1";
  json["inputs"] = unit_hash;
  json["runs"] = runs;
  WriteJsonFile(Path(unit_hash, ".json"), json, 0);
}

Json PartialStore::LoadRuns(const std::string& unit_hash) const {
  std::optional<Json> runs = Read(unit_hash);
  if (!runs) throw RunError(Path(unit_hash, ".json") + ": the result of a finished unit has gone");
  return *std::move(runs);
}

std::string PartialStore::Tell(const std::string& unit_hash, const std::string& name) const {
  const Json run = LoadRuns(unit_hash).as<Json::Array>().front();
  Json line;
  for (const char* key : {"scenario", "point", "policy", "seed", "infeasible"}) {
    if (const Json* value = run.find(key)) line[key] = *value;
  }
  std::string words = name;
  if (const Json* metrics = run.find("metrics")) {
    line["iteration_time_s"] = *metrics->find("iteration_time_s")->find("mean");
    for (const char* key : {"samples_per_s", "tokens_per_s", "idle_fraction", "peak_memory_bytes", "fits"}) {
      line[key] = *metrics->find(key);
    }
    const Json& replicas = *run.find("replica_classes");
    words += ", seed " + run.find("seed")->Dump() + ": " + Fixed(line["iteration_time_s"].number(), 4) + " s a step, " +
             Fixed(line["samples_per_s"].number(), 1) + " samples/s, replicas " + replicas.find("replicas")->Dump() +
             ", different ones " + replicas.find("classes")->Dump();
  } else {
    words += ": infeasible";
  }
  std::ofstream(std::filesystem::path(folder_) / kFinished, std::ios::app) << line.Dump() + "\n" << std::flush;
  return words;
}

void PartialStore::ForgetTold() const {
  std::error_code error;
  std::filesystem::remove(std::filesystem::path(folder_) / kFinished, error);
}

void PartialStore::Clear() const {
  std::error_code error;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (IsPartial(name) || name == kFinished) paths.push_back(entry.path());
  }
  for (const std::filesystem::path& path : paths) std::filesystem::remove(path, error);
  std::filesystem::remove(folder_, error);
}

}  // namespace dflop
