// Which reader a file wants is told by how it begins; CSV layouts by their columns.
#include <algorithm>
#include <functional>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "traces/network_rows.hpp"

namespace dflop {
namespace {

constexpr double kMostSize = 1e15;

/// What one layout of tables calls things; an empty name is a column that it lacks.
struct CsvLayout {
  const char* system;
  const char* version;
  const char* op;
  const char* dtype;
  const char* ranks;
  const char* per_node;
  const char* nodes;
  const char* bytes;
  const char* time;
  double seconds;  ///< of one unit of time
};
constexpr CsvLayout kAiconfigurator = {"system", "nccl_version", "op",         "dtype", "num_gpus", "",
                                       "",       "size_bytes",   "latency_ms", 1e-3};
constexpr CsvLayout kVidur = {"network", "",           "op",        "",  "num_gpus", "gpus_per_node_used",
                              "",        "size_bytes", "median_ms", 1e-3};
constexpr CsvLayout kLogs = {"system", "", "op", "dtype", "gpus", "", "nodes", "size_bytes", "out_of_place_us", 1e-6};

bool Fits(const CsvTable& table, const CsvLayout& layout) {
  for (const char* name : {layout.system, layout.version, layout.op, layout.dtype, layout.ranks, layout.per_node,
                           layout.nodes, layout.bytes, layout.time}) {
    if (*name != 0 && !table.Has(name)) return false;
  }
  return true;
}

/// Leaves rows of the wanted value; without one there may be one value only.
class OneOfSeveral {
 public:
  OneOfSeveral(const CsvTable& table, const char* column, const std::string& wanted, const char* option)
      : table_(table), wanted_(wanted) {
    if (*column == 0) return;
    column_ = table.Column(column);
    has_ = true;
    std::set<std::string> values;
    for (const auto& row : table.rows) values.insert(row[column_]);
    const std::string all = JoinNames({values.begin(), values.end()});
    if (wanted.empty() && values.size() > 1) {
      throw InputError(table.file + ": holds several, choose one with " + option + ": " + all);
    }
    if (!wanted.empty() && !values.contains(wanted)) {
      throw InputError(table.file + ": holds no " + JsonQuote(wanted) + " (" + option + "); it holds " + all);
    }
  }
  bool Takes(std::size_t row) const { return !has_ || wanted_.empty() || table_.rows[row][column_] == wanted_; }

 private:
  const CsvTable& table_;
  const std::string& wanted_;
  std::size_t column_ = 0;
  bool has_ = false;
};

NetworkTrace ReadTable(const CsvTable& table, const CsvLayout& layout, const NetworkImport& import) {
  const OneOfSeveral of_system(table, layout.system, import.system, "--system");
  // Versions count among the rows of the system alone.
  CsvTable rows = table;
  rows.rows.clear();
  rows.lines.clear();
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (!of_system.Takes(i)) continue;
    rows.rows.push_back(table.rows[i]);
    rows.lines.push_back(table.lines[i]);
  }
  const OneOfSeveral of_version(rows, layout.version, import.version, "--nccl-version");
  NetworkTrace trace;
  trace.source = table.file + (import.system.empty() ? "" : ", " + import.system);
  trace.software = import.version.empty() ? "" : "NCCL " + import.version;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    if (!of_version.Takes(i)) continue;
    CollectiveRow row;
    row.op = CollectiveNameOf(rows.rows[i][rows.Column(layout.op)]);
    if (row.op.empty()) rows.Fail(i, "names no collective: " + JsonQuote(rows.rows[i][rows.Column(layout.op)]));
    if (!import.op.empty() && row.op != import.op) continue;
    row.ranks = static_cast<int>(rows.Number(i, rows.Column(layout.ranks), 1, 131072));
    if (row.ranks < 2) continue;
    row.ranks_per_node = row.ranks;
    if (*layout.per_node != 0)
      row.ranks_per_node = static_cast<int>(rows.Number(i, rows.Column(layout.per_node), 1, row.ranks));
    if (*layout.nodes != 0)
      row.ranks_per_node =
          std::max(1, row.ranks / static_cast<int>(rows.Number(i, rows.Column(layout.nodes), 1, 131072)));
    row.bytes = rows.Number(i, rows.Column(layout.bytes), 0, kMostSize);
    row.seconds = rows.Number(i, rows.Column(layout.time), 0, 1e12) * layout.seconds;
    if (*layout.dtype != 0) row.dtype = rows.rows[i][rows.Column(layout.dtype)];
    if (row.bytes > 0 && row.seconds > 0) trace.rows.push_back(std::move(row));
  }
  if (trace.rows.empty()) throw InputError(table.file + ": holds no row that was asked for");
  FinishRows(trace.rows);
  return trace;
}

NetworkTrace ReadCsvTable(const std::string& text, const std::string& path, const NetworkImport& import) {
  const CsvTable table = ParseCsv(text, path);
  for (const CsvLayout* layout : {&kAiconfigurator, &kVidur, &kLogs}) {
    if (Fits(table, *layout)) return ReadTable(table, *layout, import);
  }
  throw InputError(path +
                   ": is neither a log of nccl-tests nor a table of collectives with the columns of "
                   "aiconfigurator (op, num_gpus, size_bytes, latency_ms), vidur (gpus_per_node_used, median_ms) or of "
                   "logs (nodes, gpus, out_of_place_us)");
}

}  // namespace

NetworkTrace ReadMeasuredCollectives(const std::string& path, const NetworkImport& import) {
  const std::string text = ReadFile(path);
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) throw InputError(path + ": is empty");
  if (text[begin] == '{') {
    const Json json = ParseJson(text, path);
    const JsonReader reader(json, path);
    return reader.Has("schema") ? ReadNetworkTrace(reader) : ReadNcclJson(reader, import);
  }
  const std::string first = text.substr(begin, text.find('\n', begin) - begin);
  const bool table = first.find(',') != std::string::npos && text[begin] != '#';
  return table ? ReadCsvTable(text, path, import) : ReadNcclLog(text, path, import);
}

}  // namespace dflop
