// One list of columns says how a line is written and read.
#include "experiments/published_runs/measured_run.hpp"

#include <array>
#include <limits>

#include "base/csv.hpp"
#include "base/json.hpp"

namespace dflop {
namespace {

struct TextColumn {
  const char* name;
  std::string MeasuredRun::*text;
};
struct CountColumn {
  const char* name;
  int MeasuredRun::*count;
};

constexpr std::array<TextColumn, 11> kTexts = {{{"file", &MeasuredRun::file},
                                                {"scenario", &MeasuredRun::scenario},
                                                {"source", &MeasuredRun::source},
                                                {"stack", &MeasuredRun::stack},
                                                {"class", &MeasuredRun::kind},
                                                {"proxy", &MeasuredRun::proxy},
                                                {"assumed", &MeasuredRun::assumed},
                                                {"group", &MeasuredRun::group},
                                                {"gpu", &MeasuredRun::gpu},
                                                {"device", &MeasuredRun::device},
                                                {"table", &MeasuredRun::table}}};
constexpr std::array<CountColumn, 5> kCounts = {{{"gpus", &MeasuredRun::gpus},
                                                 {"tp", &MeasuredRun::tp},
                                                 {"pp", &MeasuredRun::pp},
                                                 {"dp", &MeasuredRun::dp},
                                                 {"cp", &MeasuredRun::cp}}};
constexpr const char* kLine = "line";
constexpr const char* kStepTime = "step_time_s";
constexpr const char* kMemory = "gpu_memory_bytes";
constexpr const char* kExact = "exact";

}  // namespace

std::string CsvCell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string MeasuredCsv(const std::vector<MeasuredRun>& runs) {
  std::string csv;
  for (const TextColumn& column : kTexts) csv += std::string(column.name) + ",";
  csv += std::string(kLine) + "," + kExact;
  for (const CountColumn& column : kCounts) csv += std::string(",") + column.name;
  csv += std::string(",") + kStepTime + "," + kMemory + "\n";
  for (const MeasuredRun& run : runs) {
    for (const TextColumn& column : kTexts) csv += CsvCell(run.*column.text) + ",";
    csv += std::to_string(run.line) + (run.proxy.empty() ? ",exact" : ",proxy");
    for (const CountColumn& column : kCounts) csv += "," + std::to_string(run.*column.count);
    csv += "," + ShortestNumber(run.step_time_s) + "," + ShortestNumber(run.gpu_memory_bytes) + "\n";
  }
  return csv;
}

std::vector<MeasuredRun> ReadMeasuredRuns(const std::string& path) {
  const CsvTable table = ReadCsv(path);
  std::vector<MeasuredRun> runs(table.rows.size());
  for (std::size_t row = 0; row < runs.size(); ++row) {
    MeasuredRun& run = runs[row];
    const auto number = [&](const char* name, double min) {
      return table.Number(row, table.Column(name), min, std::numeric_limits<double>::max());
    };
    for (const TextColumn& column : kTexts) run.*column.text = table.rows[row][table.Column(column.name)];
    for (const CountColumn& column : kCounts) {
      run.*column.count = static_cast<int>(table.Number(row, table.Column(column.name), 1, 1e9));
    }
    run.line = static_cast<std::size_t>(number(kLine, 0));
    run.step_time_s = number(kStepTime, std::numeric_limits<double>::min());
    run.gpu_memory_bytes = number(kMemory, 0);
  }
  return runs;
}

}  // namespace dflop
