// A unit is one policy at one point with one seed; rank 0 holds the folder's lock, waits for the others and assembles.
#include "experiments/run/runner.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <set>
#include <thread>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/progress.hpp"
#include "experiments/report/report.hpp"
#include "experiments/results/extrapolation.hpp"
#include "experiments/results/summary.hpp"
#include "experiments/run/folder_lock.hpp"
#include "experiments/run/inputs.hpp"
#include "experiments/run/partial_store.hpp"
#include "experiments/run/process_pool.hpp"
#include "experiments/run/result.hpp"

namespace dflop {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience(20);  // of rank 0, since another rank last handed in a unit
constexpr std::chrono::milliseconds kPollInterval(50);
/// Where results lie; "" is the folder itself.
constexpr std::array<const char*, 4> kResultFolders = {"", "figures", "traces", "timelines"};
constexpr std::array<const char*, 4> kResultEndings = {".json", ".csv", ".html", ".svg"};

struct HashedUnit {
  Unit unit;
  std::string hash;
};

std::vector<HashedUnit> ListUnits(const Experiment& experiment, const Json& inputs, TraceDetail trace) {
  std::vector<HashedUnit> units;
  std::set<std::string> drawn;  // of a sweep only the first point of a scenario is drawn
  for (const Point& point : experiment.points) {
    const bool first = drawn.insert(point.scenario.name).second;
    for (const PolicySpec& policy : point.scenario.policies) {
      // A seed knows nothing of the others, so that each may run on a core of its own.
      for (const std::int64_t seed : experiment.seeds) {
        const bool is_drawn = trace != TraceDetail::kNone && first && seed == experiment.seeds.front();
        const Unit unit{&experiment, &point, &policy, is_drawn, {seed}};
        units.push_back({unit, UnitHash(unit, inputs, trace)});
      }
    }
  }
  return units;
}

/// Folders that are made on the way and taken away again when the run turns out to be impossible.
class NewFolders {
 public:
  explicit NewFolders(const std::string& folder) {
    for (std::filesystem::path path = std::filesystem::absolute(folder).lexically_normal();
         !path.empty() && !std::filesystem::exists(path); path = path.parent_path()) {
      missing_.push_back(path);
    }
  }
  void RemoveEmpty() const {
    std::error_code error;
    for (const std::filesystem::path& path : missing_) std::filesystem::remove(path, error);
  }

 private:
  std::vector<std::filesystem::path> missing_;  // deepest first
};

std::string FileName(const Unit& unit) {
  std::string name = unit.point->scenario.name + "-" + unit.policy->name;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

class Runner {
 public:
  Runner(const Experiment& experiment, const RunOptions& options)
      : experiment_(experiment),
        options_(options),
        inputs_(InputHashes(experiment)),
        units_(ListUnits(experiment, inputs_, options.trace)),
        store_(options.out + "/partial"),
        new_folders_(options.out) {}

  std::optional<Json> Run() {
    std::optional<FolderLock> lock;  // of the job, whose ranks share the folder
    if (options_.rank.rank == 0) lock.emplace(options_.out);
    if (options_.rank.rank == 0) {
      RemoveTemporaries();
      TellWhatCounts();
    }
    try {
      RunUnits(OwnUnits());
      if (options_.rank.rank != 0) {
        WarnIfAlone();
        return std::nullopt;
      }
      AwaitOtherRanks();
    } catch (const InputError&) {
      if (options_.rank.rank == 0) store_.Clear();
      new_folders_.RemoveEmpty();
      throw;
    }
    return Assemble();
  }

 private:
  /// What a run that was killed while it wrote has left beside its results; only the holder of the lock writes them.
  void RemoveTemporaries() const {
    std::error_code error;
    std::vector<std::filesystem::path> left;
    for (const char* folder : kResultFolders) {
      const std::filesystem::path place = std::filesystem::path(options_.out) / folder;
      for (const auto& entry : std::filesystem::directory_iterator(place, error)) {
        const std::string written = FileOfTemporary(entry.path().filename().string());
        const bool ours = std::any_of(kResultEndings.begin(), kResultEndings.end(),
                                      [&](const char* ending) { return written.ends_with(ending); });
        if (ours) left.push_back(entry.path());
      }
    }
    for (const std::filesystem::path& path : left) std::filesystem::remove(path, error);
  }

  /// A folder may hold units of several inputs, of which this run goes on from some.
  void TellWhatCounts() const {
    store_.ForgetTold();
    for (const HashedUnit& unit : units_) {
      if (Done(unit)) store_.Tell(unit.hash, unit.unit.Name());
    }
  }

  /// A rank that was started without its rank 0 has worked for nobody. Rank 0 holds the folder's lock until it has put
  /// the result in place, which a late rank then finds.
  void WarnIfAlone() const {
    for (const Clock::time_point end = started_ + options_.wait_for_rank_zero; Clock::now() < end;
         std::this_thread::sleep_for(kPollInterval)) {
      if (FolderLock::IsHeld(options_.out) || NewResult()) return;
    }
    std::fprintf(stderr,
                 "warning: rank %d of %d sees no rank 0 at work in %s: does every rank see the same folder, and was "
                 "the job started with all its ranks?\n",
                 options_.rank.rank, options_.rank.size, options_.out.c_str());
  }
  bool NewResult() const {
    std::error_code error;
    const auto written = std::filesystem::last_write_time(options_.out + "/result.json", error);
    return !error && written >= started_on_disk_;
  }

  bool Done(const HashedUnit& unit) const { return store_.Has(unit.hash, unit.unit.drawn); }

  std::vector<const HashedUnit*> OwnUnits() const {
    std::vector<const HashedUnit*> own;
    const auto size = static_cast<std::size_t>(options_.rank.size);
    for (std::size_t i = static_cast<std::size_t>(options_.rank.rank); i < units_.size(); i += size) {
      if (!Done(units_[i])) own.push_back(&units_[i]);
    }
    return own;
  }

  void RunUnits(const std::vector<const HashedUnit*>& units) {
    Progress progress("simulating", units.size(), options_.quiet || options_.rank.rank != 0);
    PoolTasks tasks;
    tasks.count = units.size();
    tasks.work = [&](std::size_t i) { RunAndSave(*units[i]); };
    tasks.name = [&](std::size_t i) { return units[i]->unit.Name(); };
    tasks.done = [&](std::size_t i) {
      progress.Tell(store_.Tell(units[i]->hash, units[i]->unit.Name()));
      progress.Advance();
    };
    RunInProcesses(tasks, options_.jobs);
  }

  void RunAndSave(const HashedUnit& unit) const {
    const PictureFiles pictures{store_.TracePath(unit.hash), store_.TimelinePath(unit.hash), options_.trace};
    const Json runs = RunUnit(unit.unit, &pictures);
    if (runs.as<Json::Array>().front().find("infeasible") != nullptr) {  // found in a later step than is drawn
      std::error_code error;
      for (const std::string& path : {pictures.trace, pictures.timeline}) std::filesystem::remove(path, error);
    }
    store_.Save(unit.hash, runs);
  }

  void AwaitOtherRanks() {
    std::vector<const HashedUnit*> missing;
    for (const HashedUnit& unit : units_) missing.push_back(&unit);
    for (Clock::time_point last_arrival = Clock::now(); true; std::this_thread::sleep_for(kPollInterval)) {
      const std::size_t arrived = std::erase_if(missing, [this](const HashedUnit* unit) { return Done(*unit); });
      if (missing.empty()) return;
      if (arrived > 0) last_arrival = Clock::now();
      if (Clock::now() - last_arrival < kPatience) continue;
      RunUnits({missing.back()});  // from the far end: a slow rank takes its units from the front
      missing.pop_back();
    }
  }

  Json Assemble() {
    Json runs = Json::EmptyArray();
    const std::size_t seeds = experiment_.seeds.size();
    for (std::size_t first = 0; first < units_.size(); first += seeds) {
      Json::Array of_seeds;
      for (std::size_t i = first; i < first + seeds; ++i) {
        const Json of_unit = store_.LoadRuns(units_[i].hash);
        for (const Json& run : of_unit.as<Json::Array>()) of_seeds.push_back(run);
      }
      for (const Json& run : OneEntryIfInfeasible(std::move(of_seeds))) {
        WarnOfMemory(units_[first].unit, run);
        runs.push_back(run);
      }
    }
    RemoveOldPictures();
    const std::vector<Picture> pictures = PutPicturesInPlace();
    Json result = MakeResult(experiment_, inputs_, std::move(runs), pictures, options_.command);
    const std::vector<SummaryRow> rows = Summarise(JsonReader(result, options_.out + "/result.json"));
    WarnOfExtrapolation(rows);
    WarnOfIdleInputs(*result.find("inputs_without_effect"));
    result["summary"] = ToJson(rows);
    WriteFile(options_.out + "/table.csv", SummaryCsv(rows, experiment_.baselines));
    WriteJsonFile(options_.out + "/result.json", result);
    store_.Clear();
    RemoveReport(options_.out);  // one of another result beside this one would deceive
    if (options_.report) WriteReport(options_.out);
    return result;
  }

  /// Where a policy finds nothing with some seed, means over the others would flatter it: one entry stands for all.
  Json::Array OneEntryIfInfeasible(Json::Array runs) const {
    const auto fails = [](const Json& run) { return run.find("infeasible") != nullptr; };
    const auto first = std::find_if(runs.begin(), runs.end(), fails);
    if (first == runs.end()) return runs;
    Json entry = *first;
    if (!std::all_of(runs.begin(), runs.end(), fails)) {
      const std::int64_t seed = experiment_.seeds[static_cast<std::size_t>(first - runs.begin())];
      entry["infeasible"] = "with seed " + std::to_string(seed) + ": " + entry["infeasible"].as<std::string>();
    }
    return {entry};
  }

  void WarnOfMemory(const Unit& unit, const Json& run) const {
    const Json* reason = run.find("too_large");
    if (reason == nullptr || options_.quiet) return;
    std::fprintf(stderr, "warning: %s, seed %s: does not fit into memory: %s\n", unit.Name().c_str(),
                 run.find("seed")->Dump().c_str(), reason->as<std::string>().c_str());
  }

  /// A line per scenario: its rows tend to be alike, and the table marks each.
  void WarnOfExtrapolation(const std::vector<SummaryRow>& rows) const {
    if (options_.quiet) return;
    std::vector<const SummaryRow*> worst;  // of each scenario
    for (const SummaryRow& row : rows) {
      if (worst.empty() || worst.back()->scenario != row.scenario) worst.push_back(&row);
      if (row.figures.extrapolated_fraction > worst.back()->figures.extrapolated_fraction) worst.back() = &row;
    }
    for (const SummaryRow* row : worst) {
      if (!IsMuchExtrapolated(row->figures.extrapolated_fraction)) continue;
      std::fprintf(stderr,
                   "warning: scenario %s: up to %.1f %% of the busy time (policy %s) is priced beyond the measured "
                   "shapes\n",
                   JsonQuote(row->scenario).c_str(), 100 * row->figures.extrapolated_fraction,
                   JsonQuote(row->policy).c_str());
    }
  }

  void WarnOfIdleInputs(const Json& lines) const {
    if (options_.quiet) return;
    for (const Json& line : lines.as<Json::Array>()) {
      std::fprintf(stderr, "warning: %s\n", line.as<std::string>().c_str());
    }
  }

  // The pictures of the result that is being replaced; files that it does not name are none of ours.
  void RemoveOldPictures() const {
    std::error_code error;
    if (!std::filesystem::exists(options_.out + "/result.json", error)) return;
    try {
      const Json old = ReadResult(options_.out);
      for (const JsonReader& picture : JsonReader(old, options_.out).At("pictures").Elements()) {
        for (const std::string kind : {"trace", "timeline"}) {
          const std::filesystem::path name = std::filesystem::path(picture.At(kind).String()).filename();
          std::filesystem::remove(std::filesystem::path(options_.out) / (kind + "s") / name, error);
        }
      }
    } catch (const InputError&) {
      return;  // no result of ours: it is replaced as a whole
    }
  }

  std::vector<Picture> PutPicturesInPlace() const {
    std::vector<Picture> pictures;
    std::set<std::string> taken;
    for (const HashedUnit& unit : units_) {
      if (!unit.unit.drawn || !std::filesystem::exists(store_.TracePath(unit.hash))) continue;
      std::string name = FileName(unit.unit);
      while (!taken.insert(name).second) name += "_";
      const Picture picture{unit.unit.point->scenario.name, unit.unit.policy->name, "traces/" + name + ".json",
                            "timelines/" + name + ".json"};
      Move(store_.TracePath(unit.hash), picture.trace);
      Move(store_.TimelinePath(unit.hash), picture.timeline);
      pictures.push_back(picture);
    }
    return pictures;
  }

  void Move(const std::string& from, const std::string& to) const {
    const std::filesystem::path target = std::filesystem::path(options_.out) / to;
    std::error_code error;
    std::filesystem::create_directories(target.parent_path(), error);
    if (!error) std::filesystem::rename(from, target, error);
    if (error) throw RunError(target.string() + ": cannot be put in place: " + error.message());
  }

  const Experiment& experiment_;
  const RunOptions& options_;
  Json inputs_;
  std::vector<HashedUnit> units_;
  PartialStore store_;
  NewFolders new_folders_;
  Clock::time_point started_ = Clock::now();
  /// Clocks of machines that share a folder differ a little.
  std::filesystem::file_time_type started_on_disk_ =
      std::filesystem::file_time_type::clock::now() - std::chrono::minutes(1);
};

}  // namespace

std::optional<Json> RunExperiment(const Experiment& experiment, const RunOptions& options) {
  return Runner(experiment, options).Run();
}

}  // namespace dflop
