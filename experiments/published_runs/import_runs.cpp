// A scenario a line keeps files of a hundred runs readable where they change.
#include "experiments/published_runs/import_runs.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

namespace dflop {
namespace {

/// The name, numbered where the file has it already.
std::string UniqueIn(const std::string& file, const std::string& name, std::map<std::string, int>& used) {
  const int count = ++used[file + "\n" + name];
  return count == 1 ? name : name + " #" + std::to_string(count);
}

const char* Describe(const std::string& kind) {
  if (kind == "experts") return "mixtures of experts in 16 bit";
  if (kind == "lora") return "fine-tuning with adapters in 16 bit";
  if (kind == "fp8-experts") return "mixtures of experts, linear maps of 8 or 4 bit";
  if (kind == "fp8-lora") return "fine-tuning with adapters, linear maps of 8 or 4 bit";
  return kind == "fp8" ? "dense models, linear maps of 8 or 4 bit" : "dense models in 16 bit";
}

Json EmptyExperiment(const MeasuredRun& run) {
  Json experiment;
  experiment["schema"] = "dflop/experiment/1";
  experiment["name"] = run.file;
  experiment["description"] =
      "Published runs, " + run.source + ", " + Describe(run.kind) +
      ": one scenario per measured run, every stated setting as stated, the rest as its stack's preset";
  experiment["seeds"] = Json(Json::Array{Json(1)});
  experiment["steps"] = 1;
  experiment["baselines"] = Json::EmptyArray();
  experiment["scenarios"] = Json::EmptyArray();
  return experiment;
}

std::string ExperimentText(const Json& experiment) {
  std::string text = "{\n";
  for (const Json::Member& member : experiment.as<Json::Object>()) {
    if (member.key == "scenarios") continue;
    text += " " + JsonQuote(member.key) + ": " + member.value.Dump() + ",\n";
  }
  text += " \"scenarios\": [\n";
  const Json::Array& scenarios = experiment.find("scenarios")->as<Json::Array>();
  for (std::size_t i = 0; i < scenarios.size(); ++i) {
    text += "  " + scenarios[i].Dump() + (i + 1 < scenarios.size() ? ",\n" : "\n");
  }
  return text + " ]\n}\n";
}

std::string LeftOutCsv(const std::vector<LeftOutRow>& rows) {
  std::string csv = "table,line,source,reason,detail\n";
  for (const LeftOutRow& row : rows) {
    csv += CsvCell(row.table) + "," + std::to_string(row.line) + "," + CsvCell(row.source) + "," + CsvCell(row.reason) +
           "," + CsvCell(row.detail) + "\n";
  }
  return csv;
}

void Take(ImportedRow row, std::map<std::string, int>& used, RunImport& import) {
  row.measured.scenario = UniqueIn(row.measured.file, row.measured.scenario, used);
  row.scenario["name"] = row.measured.scenario;
  const auto [file, is_new] = import.files.try_emplace(row.measured.file);
  if (is_new) file->second = EmptyExperiment(row.measured);
  file->second["scenarios"].push_back(std::move(row.scenario));
  ++import.sources[row.measured.source].imported[row.measured.file];
  import.measured.push_back(std::move(row.measured));
}

}  // namespace

RunImport ImportRuns(const std::vector<std::string>& paths) {
  RunImport import;
  std::map<std::string, int> used;
  for (const std::string& path : paths) {
    const std::vector<PublishedRow> rows = ReadPublishedRows(path);
    if (rows.empty()) throw InputError(path, "", "has a header but no rows");
    for (const PublishedRow& row : rows) {
      const std::string source = row.source.empty() ? "unnamed" : row.source;
      ++import.sources[source].rows;
      ImportedRow imported = dflop::Import(row);
      if (imported.left_out.empty()) {
        Take(std::move(imported), used, import);
        continue;
      }
      ++import.sources[source].left_out[imported.left_out];
      import.left_out.push_back({row.table, row.line, source, imported.left_out, imported.detail});
    }
  }
  return import;
}

void WriteRuns(const RunImport& import, const std::string& folder) {
  for (const auto& [name, experiment] : import.files) {
    std::string path = folder;
    WriteFile(path.append("/").append(name).append(".json"), ExperimentText(experiment));
  }
  WriteFile(folder + "/" + kMeasuredFile, MeasuredCsv(import.measured));
  WriteFile(folder + "/left-out.csv", LeftOutCsv(import.left_out));
}

std::string CountsText(const RunImport& import) {
  std::string text;
  for (const auto& [source, count] : import.sources) {
    text += Format("%-30s %4zu rows\n", source.c_str(), count.rows);
    for (const auto& [file, rows] : count.imported) text += Format("  %4zu imported: %s.json\n", rows, file.c_str());
    for (const auto& [reason, rows] : count.left_out) text += Format("  %4zu left out: %s\n", rows, reason.c_str());
  }
  return text + Format("%zu rows imported, %zu left out\n", import.measured.size(), import.left_out.size());
}

}  // namespace dflop
