// CSV tables of collectives: layouts are told by their columns.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/csv.hpp"
#include "base/error.hpp"
#include "traces/network_rows.hpp"

namespace dflop {
namespace {

/// What one layout of tables calls things; an empty name is a column that it lacks.
struct CsvLayout {
  std::string system{};
  std::string version{};
  std::string op{};
  std::string dtype{};
  std::string ranks{};
  std::string per_node{};
  std::string nodes{};
  std::string bytes{};
  std::string time{};
  double seconds = 1;  ///< of one unit of time
};

/// The original tables of vidur name the column of times after the collective.
std::string VidurTime(const CsvTable& table) {
  for (const std::string& name : table.header) {
    if (name.starts_with("time_stats.") && name.ends_with(".median")) return name;
  }
  return "time_stats.OP.median";
}

std::vector<CsvLayout> LayoutsOf(const CsvTable& table) {
  const CsvLayout aiconfigurator = {.system = "system",
                                    .version = "nccl_version",
                                    .op = "op",
                                    .dtype = "dtype",
                                    .ranks = "num_gpus",
                                    .bytes = "size_bytes",
                                    .time = "latency_ms",
                                    .seconds = 1e-3};
  const CsvLayout vidur = {.op = "collective",
                           .ranks = "num_workers",
                           .per_node = "devices_per_node",
                           .bytes = "size",
                           .time = VidurTime(table),
                           .seconds = 1e-3};
  const CsvLayout condensed = {.system = "network",
                               .op = "op",
                               .ranks = "num_gpus",
                               .per_node = "gpus_per_node_used",
                               .bytes = "size_bytes",
                               .time = "median_ms",
                               .seconds = 1e-3};
  const CsvLayout logs = {.system = "system",
                          .op = "op",
                          .dtype = "dtype",
                          .ranks = "gpus",
                          .nodes = "nodes",
                          .bytes = "size_bytes",
                          .time = "out_of_place_us",
                          .seconds = 1e-6};
  const CsvLayout vtrain = {.ranks = "num_gpus", .bytes = "size_bytes", .time = "out_of_place_ms", .seconds = 1e-3};
  return {aiconfigurator, vidur, condensed, logs, vtrain};
}

bool Fits(const CsvTable& table, const CsvLayout& layout) {
  for (const std::string& name : {layout.system, layout.version, layout.op, layout.dtype, layout.ranks, layout.per_node,
                                  layout.nodes, layout.bytes, layout.time}) {
    if (!name.empty() && !table.Has(name)) return false;
  }
  return true;
}

struct Choice {
  std::string column;
  std::string wanted;
  std::string option;
};

/// Leaves the rows of the wanted value and returns it; without one there may be one value only. "" without a column.
std::string KeepOne(CsvTable& table, const Choice& choice) {
  if (choice.column.empty()) {
    if (choice.wanted.empty()) return "";
    throw InputError(table.file, "", choice.option + " chooses nothing here: the table does not tell such rows apart");
  }
  const std::size_t column = table.Column(choice.column);
  std::set<std::string> values;
  for (const auto& row : table.rows) values.insert(row[column]);
  const std::string all = JoinNames({values.begin(), values.end()});
  if (choice.wanted.empty()) {
    if (values.size() <= 1) return all;
    throw InputError(table.file, "", "holds several, choose one with " + choice.option + ": " + all);
  }
  if (!values.contains(choice.wanted)) {
    throw InputError(table.file, "",
                     "holds no " + JsonQuote(choice.wanted) + " (" + choice.option + "); it holds " + all);
  }
  CsvTable kept = {table.file, table.header, {}, {}};
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (table.rows[i][column] != choice.wanted) continue;
    kept.rows.push_back(table.rows[i]);
    kept.lines.push_back(table.lines[i]);
  }
  table = std::move(kept);
  return choice.wanted;
}

double Whole(const CsvTable& table, std::size_t row, const std::string& column, double min, double max) {
  const double number = table.Number(row, table.Column(column), min, max);
  if (number != std::floor(number)) {
    table.Fail(row, "column " + JsonQuote(column) + " holds a fraction, a whole number is wanted");
  }
  return number;
}

/// Ranks of a node, by the column that says it or by the number of nodes; all where nothing says it.
int RanksPerNode(const CsvTable& table, std::size_t row, const CsvLayout& layout, int ranks,
                 const NetworkImport& import) {
  if (!layout.per_node.empty()) return static_cast<int>(Whole(table, row, layout.per_node, 1, ranks));
  if (!layout.nodes.empty()) {
    const int nodes = static_cast<int>(Whole(table, row, layout.nodes, 1, ranks));
    if (ranks % nodes != 0) {
      table.Fail(row, std::to_string(ranks) + " ranks do not divide among " + std::to_string(nodes) + " nodes");
    }
    return ranks / nodes;
  }
  return import.ranks_per_node > 0 ? std::min(import.ranks_per_node, ranks) : ranks;
}

std::string OpOfRow(const CsvTable& table, std::size_t row, const CsvLayout& layout) {
  const std::string& name = table.rows[row][table.Column(layout.op)];
  std::string op = CollectiveNameOf(name);
  if (op.empty()) table.Fail(row, "names no collective that is known: " + JsonQuote(name));
  return op;
}

/// What was asked for without effect would deceive.
void RefuseRanksPerNode(const CsvTable& table, const NetworkImport& import) {
  if (import.ranks_per_node > 0) throw InputError(table.file, "", "itself says how many ranks a node has");
}

NetworkTrace ReadRows(CsvTable table, const CsvLayout& layout, const NetworkImport& import) {
  const std::string system = KeepOne(table, {layout.system, import.system, "--system"});
  // Versions count among the rows of the system alone.
  const std::string version = KeepOne(table, {layout.version, import.version, "--nccl-version"});
  NetworkTrace trace;
  trace.source = FileNameOf(table.file) + (system.empty() ? "" : ", " + system);
  trace.software = version.empty() ? "" : "NCCL " + version;
  if (!layout.per_node.empty() || !layout.nodes.empty()) RefuseRanksPerNode(table, import);
  const std::string op_of_file = layout.op.empty() ? CollectiveOfFile(table.file, import) : "";
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    CollectiveRow row;
    row.op = layout.op.empty() ? op_of_file : OpOfRow(table, i, layout);
    row.ranks = static_cast<int>(Whole(table, i, layout.ranks, 1, kMostCollectiveRanks));
    row.ranks_per_node = RanksPerNode(table, i, layout, row.ranks, import);
    row.bytes = Whole(table, i, layout.bytes, 0, kMostCollectiveBytes);
    row.seconds = table.Number(i, table.Column(layout.time), kLeastCollectiveSeconds / layout.seconds,
                               kMostCollectiveSeconds / layout.seconds) *
                  layout.seconds;
    if (!layout.dtype.empty()) row.dtype = table.rows[i][table.Column(layout.dtype)];
    if (row.ranks >= 2 && row.bytes > 0) trace.rows.push_back(std::move(row));  // else nothing was sent
  }
  return trace;
}

/// A column of bus rates: "busbw_4node_32gpu_GBps".
struct BusColumn {
  std::size_t index;
  int nodes;
  int ranks;
};

/// Takes a positive number and the word behind it off the front of `text`; 0 when they are not there.
int TakeCount(std::string_view& text, std::string_view word) {
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error != std::errc() || count < 1 || count > kMostCollectiveRanks || !rest.starts_with(word)) return 0;
  text = rest.substr(word.size());
  return count;
}

std::vector<BusColumn> BusColumns(const CsvTable& table) {
  std::vector<BusColumn> columns;
  for (std::size_t i = 0; i < table.header.size(); ++i) {
    std::string_view name = table.header[i];
    if (!name.starts_with("busbw_")) continue;
    name.remove_prefix(6);
    const int nodes = TakeCount(name, "node_");
    const int ranks = nodes == 0 ? 0 : TakeCount(name, "gpu_GBps");
    if (ranks >= 2 && ranks % nodes == 0 && name.empty()) columns.push_back({i, nodes, ranks});
  }
  return columns;
}

NetworkTrace ReadBusRates(const CsvTable& table, const std::vector<BusColumn>& columns, const NetworkImport& import) {
  if (!import.system.empty() || !import.version.empty()) {
    throw InputError(table.file, "", "names neither systems nor versions: --system and --nccl-version choose nothing");
  }
  RefuseRanksPerNode(table, import);
  NetworkTrace trace;
  trace.source = FileNameOf(table.file);
  const std::string op = CollectiveOfFile(table.file, import);
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const double bytes = Whole(table, i, "size_bytes", 1, kMostCollectiveBytes);
    for (const BusColumn& column : columns) {
      const double rate = table.Number(i, column.index, 1e-6, 1e9) * 1e9;
      trace.rows.push_back({.op = op,
                            .ranks = column.ranks,
                            .ranks_per_node = column.ranks / column.nodes,
                            .bytes = bytes,
                            .seconds = bytes * BusFactor(op, column.ranks) / rate});
    }
  }
  return trace;
}

NetworkTrace ReadKnownTable(const CsvTable& table, const NetworkImport& import) {
  for (const CsvLayout& layout : LayoutsOf(table)) {
    if (Fits(table, layout)) return ReadRows(table, layout, import);
  }
  const std::vector<BusColumn> columns = BusColumns(table);
  if (!columns.empty() && table.Has("size_bytes")) return ReadBusRates(table, columns, import);
  throw InputError(table.file, "",
                   "is neither a log of nccl-tests nor a table of collectives: it lacks the columns of aiconfigurator "
                   "(op, num_gpus, size_bytes, latency_ms), vidur (num_workers, devices_per_node, size), vtrain "
                   "(num_gpus, size_bytes, out_of_place_ms), of logs (nodes, gpus, out_of_place_us) and of bus rates "
                   "(size_bytes, busbw_1node_8gpu_GBps)");
}

}  // namespace

NetworkTrace ReadCollectiveTable(std::string_view text, const std::string& path, const NetworkImport& import) {
  NetworkTrace trace = ReadKnownTable(ParseCsv(text, path), import);
  if (trace.rows.empty()) throw InputError(path, "", "holds no collective of two ranks or more");
  return trace;
}

}  // namespace dflop
