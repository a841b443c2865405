// Results are found by file and scenario; what is missing is left without a prediction.
#include "experiments/published_runs/predicted_run.hpp"

#include <filesystem>
#include <limits>
#include <map>
#include <utility>

#include "base/csv.hpp"
#include "base/error.hpp"
#include "base/json_reader.hpp"

namespace dflop {
namespace {

struct Outcome {
  std::optional<double> step_s;
  double peak_memory_bytes = 0;
  bool fits = true;
  std::string infeasible;
};
using Outcomes = std::map<std::string, Outcome>;  // by scenario

constexpr double kMostBytes = std::numeric_limits<double>::max();

Outcome ReadTableRow(const CsvTable& table, std::size_t row) {
  const auto text = [&](const char* column) { return table.Has(column) ? table.rows[row][table.Column(column)] : ""; };
  Outcome outcome;
  outcome.infeasible = text("infeasible");
  outcome.fits = text("fits") != "false";
  if (!text("iteration_time_s").empty()) {
    outcome.step_s =
        table.Number(row, table.Column("iteration_time_s"), std::numeric_limits<double>::min(), kMostBytes);
  }
  if (!text("peak_memory_bytes").empty()) {
    outcome.peak_memory_bytes = table.Number(row, table.Column("peak_memory_bytes"), 0, kMostBytes);
  }
  return outcome;
}

Outcomes ReadResultTable(const std::string& path) {
  const CsvTable table = ReadCsv(path);
  Outcomes outcomes;
  const std::size_t scenario = table.Column("scenario");
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    outcomes.try_emplace(table.rows[row][scenario], ReadTableRow(table, row));
  }
  return outcomes;
}

Outcome ReadStoredRun(const JsonReader& run) {
  Outcome outcome;
  outcome.infeasible = run.StringOr("infeasible", "");
  const auto metrics = run.Find("metrics");
  if (!metrics) return outcome;
  outcome.step_s = metrics->At("iteration_time_s").At("mean").Number(std::numeric_limits<double>::min(), kMostBytes);
  outcome.peak_memory_bytes = metrics->NumberOr("peak_memory_bytes", 0, 0, kMostBytes);
  outcome.fits = metrics->BoolOr("fits", true);
  return outcome;
}

Outcomes ReadResultFile(const std::string& path) {
  const Json document = ReadJsonFile(path);
  const JsonReader result(document, path);
  Outcomes outcomes;
  for (const JsonReader& run : result.At("runs").Elements()) {
    outcomes.try_emplace(run.At("scenario").String(), ReadStoredRun(run));
  }
  return outcomes;
}

Outcomes ReadOutcomes(const std::string& folder) {
  if (std::filesystem::is_regular_file(folder + "/table.csv")) return ReadResultTable(folder + "/table.csv");
  if (std::filesystem::is_regular_file(folder + "/result.json")) return ReadResultFile(folder + "/result.json");
  return {};
}

PredictedRun Joined(const MeasuredRun& run, const Outcomes& outcomes) {
  PredictedRun predicted;
  predicted.run = run;
  const auto found = outcomes.find(run.scenario);
  if (found == outcomes.end()) {
    predicted.infeasible = "no result";
    return predicted;
  }
  predicted.predicted_s = found->second.step_s;
  predicted.peak_memory_bytes = found->second.peak_memory_bytes;
  predicted.fits = found->second.fits;
  predicted.infeasible = found->second.infeasible;
  return predicted;
}

}  // namespace

std::vector<PredictedRun> ReadPredictedRuns(const std::string& imported, const std::string& results) {
  const std::string list = imported + "/" + kMeasuredFile;
  if (!std::filesystem::is_regular_file(list)) {
    throw InputError(list, "", "is not there: `dflop published import` writes it");
  }
  std::map<std::string, Outcomes> by_file;
  std::vector<PredictedRun> runs;
  bool any = false;
  for (const MeasuredRun& run : ReadMeasuredRuns(list)) {
    const auto [file, is_new] = by_file.try_emplace(run.file);
    if (is_new) file->second = ReadOutcomes(results + "/" + run.file);
    any |= !file->second.empty();
    runs.push_back(Joined(run, file->second));
  }
  if (!any) {
    throw InputError(results, "",
                     "holds no result of these experiments: `dflop run " + imported + "/FILE.json --out " + results +
                         "/FILE` for each of them is wanted first");
  }
  return runs;
}

}  // namespace dflop
