// `dflop network`: what collectives take on a cluster, and how far that is from what was measured.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/finite_range.hpp"
#include "base/statistics.hpp"
#include "base/terminal.hpp"
#include "base/text.hpp"
#include "base/text_table.hpp"
#include "experiments/commands/commands.hpp"
#include "models/cluster_spec.hpp"
#include "sim/build/lone_collective.hpp"
#include "traces/network_trace.hpp"

namespace dflop {
namespace {

struct NetworkArguments {
  std::string cluster;
  std::vector<std::string> ops;
  std::vector<int> ranks;
  int ranks_per_node = 0;
  std::vector<double> bytes;
  std::string against;
  NetworkImport import;
  bool json = false;
  bool wide = false;
};

constexpr int kMostRanks = 131072;
constexpr double kMostBytes = 1e15;

/// A built-in name or a file. A cluster that says nothing of its size has as many nodes as are asked for.
ClusterSpec ReadNamedCluster(const std::string& name) {
  if (std::filesystem::is_regular_file(name)) {
    const Json json = ReadJsonFile(name);
    return ReadCluster(JsonReader(json, name));
  }
  const std::vector<std::string> names = BuiltInClusterNames();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    const std::string nearest = NearestName(name, names);
    throw InputError(JsonQuote(name) + " is neither a file nor a built-in cluster" +
                     (nearest.empty() ? "." : ", did you mean " + JsonQuote(nearest) + "?") +
                     " Built in are: " + JoinNames(names));
  }
  const Json json = name;
  return ReadCluster(JsonReader(json, "CLUSTER"));
}

/// Of a domain in one node, up to the whole cluster.
std::vector<int> StandardRanks(const ClusterSpec& cluster) {
  std::vector<int> ranks;
  for (int n = 2; n <= cluster.gpus() && n <= 1024; n *= 2) ranks.push_back(n);
  return ranks;
}

std::vector<double> StandardBytes() {
  std::vector<double> bytes;
  for (double size = 1 << 10; size <= 1 << 30; size *= 8) bytes.push_back(size);
  return bytes;
}

LoneCollective Wanted(const ClusterSpec& cluster, const std::string& op, int ranks, int ranks_per_node, double bytes) {
  const Json name = op;
  LoneCollective wanted;
  wanted.op = ReadCollectiveOp(JsonReader(name, "--op"));
  wanted.ranks = ranks;
  wanted.ranks_per_node = ranks_per_node > 0 ? ranks_per_node : cluster.node_at(0).gpus;
  wanted.ranks_per_node = std::min(wanted.ranks_per_node, ranks);
  wanted.bytes = Bytes(bytes);
  if (wanted.op == CollectiveOp::kSend && ranks != 2)
    throw InputError("--ranks: a send has 2 ranks, not " + std::to_string(ranks));
  if (wanted.op == CollectiveOp::kAllToAll && ranks > kMostExchanging) {
    throw InputError("--ranks: an all-to-all is worked out for up to " + std::to_string(kMostExchanging) +
                     " ranks, not " + std::to_string(ranks));
  }
  return wanted;
}

/// The same with room for the ranks, where the cluster's size was nobody's choice.
ClusterSpec WithRoom(const NetworkArguments& arguments, const ClusterSpec& cluster, const LoneCollective& wanted) {
  if (wanted.ranks_per_node > cluster.node_at(0).gpus) {
    throw InputError("--ranks-per-node: is " + std::to_string(wanted.ranks_per_node) + ", a node of " +
                     JsonQuote(cluster.name()) + " has " + std::to_string(cluster.node_at(0).gpus) + " GPUs");
  }
  const int nodes = (wanted.ranks + wanted.ranks_per_node - 1) / wanted.ranks_per_node;
  if (nodes <= cluster.nodes()) return cluster;
  if (cluster.kinds() > 1 || std::filesystem::is_regular_file(arguments.cluster)) {
    throw InputError("--ranks: " + std::to_string(wanted.ranks) + " ranks need " + std::to_string(nodes) +
                     " nodes, the cluster has " + std::to_string(cluster.nodes()));
  }
  ClusterSpec larger = cluster;
  const int domain = cluster.node_at(0).domain();
  const int gpus = cluster.node_at(0).gpus;
  const int whole = std::max(1, domain / gpus);  // nodes of a domain
  larger.set_nodes((nodes + whole - 1) / whole * whole);
  return larger;
}

Json RowJson(const LoneCollective& wanted, const LoneTime& lone) {
  Json row;
  row["op"] = NameOf(wanted.op);
  row["ranks"] = wanted.ranks;
  row["ranks_per_node"] = wanted.ranks_per_node;
  row["bytes"] = wanted.bytes.value();
  row["time_s"] = lone.time.value();
  row["algorithm"] = lone.algorithm;
  row["bus_bytes_per_s"] = lone.bus.value();
  return row;
}

std::string BytesText(double bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(units)) {
    bytes /= 1024;
    ++unit;
  }
  return Format("%.4g %s", bytes, units[unit]);
}

/// One unit for a whole column, in which its shortest time is one at least.
struct TimeScale {
  const char* unit;
  double per_second;
  int decimals;

  std::string Text(double seconds) const { return Fixed(seconds * per_second, decimals); }
  std::string Heading(const char* what) const { return std::string(what) + ", " + unit; }
};

TimeScale ScaleFor(double shortest_s) {
  if (shortest_s >= 1) return {"s", 1, 3};
  return shortest_s >= 1e-3 ? TimeScale{"ms", 1e3, 3} : TimeScale{"µs", 1e6, 2};
}

/// The columns that say which collective it is; more follow.
std::vector<TableColumn> CollectiveColumns() {
  return {{"collective", true}, {"ranks"}, {"per node", false, 1}, {"bytes"}};
}

std::vector<std::string> CollectiveCells(const LoneCollective& wanted) {
  return {NameOf(wanted.op), std::to_string(wanted.ranks), std::to_string(wanted.ranks_per_node),
          BytesText(wanted.bytes.value())};
}

std::string TableWithNote(const TextTable& table, const TextStyle& style) {
  return table.Text(style) + LeftOutNote(table.LeftOut(style), table.columns());
}

void PrintTable(const ClusterSpec& cluster, const std::vector<std::pair<LoneCollective, LoneTime>>& rows,
                const TextStyle& style) {
  double shortest_s = HUGE_VAL;
  for (const auto& [wanted, lone] : rows) shortest_s = std::min(shortest_s, lone.time.value());
  const TimeScale scale = ScaleFor(shortest_s);
  std::vector<TableColumn> columns = CollectiveColumns();
  columns.insert(columns.end(), {{scale.Heading("time")}, {"bus GB/s"}, {"algorithm", true, 2}});
  TextTable table(std::move(columns));
  for (const auto& [wanted, lone] : rows) {
    std::vector<std::string> cells = CollectiveCells(wanted);
    cells.insert(cells.end(), {scale.Text(lone.time.value()), Fixed(lone.bus.value() / 1e9, 1), lone.algorithm});
    table.Add({std::move(cells)});
  }
  PrintWrapped(cluster.name() + ": " + cluster.source() + "\n" + TableWithNote(table, style), style);
}

struct Compared {
  LoneCollective wanted;
  LoneTime predicted;
  double measured_s = 0;
  double error() const { return predicted.time.value() / measured_s - 1; }
};

std::vector<Compared> CompareWith(const NetworkArguments& arguments, const ClusterSpec& cluster) {
  const NetworkTrace trace = ReadMeasuredCollectives(arguments.against, arguments.import);
  std::vector<Compared> rows;
  for (const CollectiveRow& row : trace.rows) {
    const bool of_op =
        arguments.ops.empty() || std::find(arguments.ops.begin(), arguments.ops.end(), row.op) != arguments.ops.end();
    const bool of_ranks = arguments.ranks.empty() ||
                          std::find(arguments.ranks.begin(), arguments.ranks.end(), row.ranks) != arguments.ranks.end();
    if (!of_op || !of_ranks) continue;
    Compared& compared = rows.emplace_back();
    compared.wanted = Wanted(cluster, row.op, row.ranks, row.ranks_per_node, row.bytes);
    compared.predicted = TimeOf(WithRoom(arguments, cluster, compared.wanted), compared.wanted);
    compared.measured_s = row.seconds;
  }
  if (rows.empty()) throw InputError(arguments.against + ": holds none of the collectives and ranks asked for");
  return rows;
}

/// Of rows from so many bytes on, by operation.
void AddErrors(const std::vector<Compared>& rows, double least_bytes, const char* words, TextTable& table) {
  std::map<std::string, std::vector<double>> errors;
  for (const Compared& row : rows) {
    if (row.wanted.bytes.value() < least_bytes) continue;
    errors[NameOf(row.wanted.op)].push_back(std::abs(row.error()));
    errors["all"].push_back(std::abs(row.error()));
  }
  for (const auto& [op, values] : errors) {
    table.Add({{words, op, std::to_string(values.size()), Fixed(100 * Quantile(values, 0.5), 1),
                Fixed(100 * Quantile(values, 0.9), 1)}});
  }
}

void PrintCompared(const std::vector<Compared>& rows, const TextStyle& style) {
  constexpr std::size_t kShown = 40;
  const std::size_t shown = std::min(rows.size(), kShown);
  double shortest_s = HUGE_VAL;
  for (std::size_t i = 0; i < shown; ++i) shortest_s = std::min(shortest_s, rows[i].measured_s);
  const TimeScale scale = ScaleFor(shortest_s);
  std::vector<TableColumn> columns = CollectiveColumns();
  columns.insert(columns.end(),
                 {{scale.Heading("predicted")}, {scale.Heading("measured")}, {"error %"}, {"algorithm", true, 2}});
  TextTable table(std::move(columns));
  for (std::size_t i = 0; i < shown; ++i) {
    const Compared& row = rows[i];
    std::vector<std::string> cells = CollectiveCells(row.wanted);
    cells.insert(cells.end(), {scale.Text(row.predicted.time.value()), scale.Text(row.measured_s),
                               Format("%+.1f", 100 * row.error()), row.predicted.algorithm});
    table.Add({std::move(cells)});
  }
  std::string text = TableWithNote(table, style);
  if (rows.size() > kShown) text += "… and " + std::to_string(rows.size() - kShown) + " more rows; --json prints all\n";
  TextTable errors({{"from", true}, {"collective", true}, {"rows"}, {"median error %"}, {"90 % of rows below, %"}});
  AddErrors(rows, 1 << 16, "64 KiB", errors);
  AddErrors(rows, 1 << 20, "1 MiB", errors);
  PrintWrapped(text + "\n" + errors.Text(style), style);
}

void Against(const NetworkArguments& arguments, const ClusterSpec& cluster) {
  const std::vector<Compared> rows = CompareWith(arguments, cluster);
  if (arguments.json) {
    Json all = Json::EmptyArray();
    for (const Compared& row : rows) {
      Json entry = RowJson(row.wanted, row.predicted);
      entry["measured_s"] = row.measured_s;
      entry["error"] = row.error();
      all.push_back(std::move(entry));
    }
    std::printf("%s\n", all.Dump(1).c_str());
    return;
  }
  const TextStyle style = OutputStyle(arguments.wide);
  PrintWrapped(cluster.name() + " against " + arguments.against + "\n", style);
  PrintCompared(rows, style);
}

void Network(NetworkArguments arguments) {
  const ClusterSpec cluster = ReadNamedCluster(arguments.cluster);
  if (!arguments.against.empty()) return Against(arguments, cluster);
  if (arguments.ops.empty()) arguments.ops = {"all-reduce"};
  if (arguments.ranks.empty()) arguments.ranks = StandardRanks(cluster);
  if (arguments.bytes.empty()) arguments.bytes = StandardBytes();
  std::vector<std::pair<LoneCollective, LoneTime>> rows;
  for (const std::string& op : arguments.ops) {
    for (const int ranks : arguments.ranks) {
      for (const double bytes : arguments.bytes) {
        const LoneCollective wanted = Wanted(cluster, op, ranks, arguments.ranks_per_node, bytes);
        rows.emplace_back(wanted, TimeOf(WithRoom(arguments, cluster, wanted), wanted));
      }
    }
  }
  if (!arguments.json) return PrintTable(cluster, rows, OutputStyle(arguments.wide));
  Json all = Json::EmptyArray();
  for (const auto& [wanted, lone] : rows) all.push_back(RowJson(wanted, lone));
  std::printf("%s\n", all.Dump(1).c_str());
}

}  // namespace

void AddNetworkCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("network", "what collectives take on a cluster: time, algorithm, bus rate");
  const auto arguments = std::make_shared<NetworkArguments>();
  command->add_option("cluster", arguments->cluster, "a built-in cluster (dflop list clusters) or its file")
      ->required()
      ->type_name("CLUSTER");
  command
      ->add_option("--op", arguments->ops,
                   "all-reduce, all-gather, reduce-scatter, all-to-all, send or broadcast; all-reduce by default")
      ->delimiter(',');
  command->add_option("--ranks", arguments->ranks, "GPUs that take part; by default 2, 4, … all")
      ->delimiter(',')
      ->check(CLI::Range(2, kMostRanks));
  command->add_option("--ranks-per-node", arguments->ranks_per_node, "on each node; by default all its GPUs")
      ->check(CLI::Range(1, 1024));
  command
      ->add_option(
          "--bytes", arguments->bytes,
          "as nccl-tests counts them: the whole buffer of an all-gather or reduce-scatter, one rank's otherwise; "
          "by default 1 KiB to 1 GiB")
      ->delimiter(',')
      ->check(FiniteRange(1.0, kMostBytes));
  command->add_option(
      "--against", arguments->against,
      "measured collectives to compare with: a log or JSON of nccl-tests, a table of aiconfigurator's, vidur's "
      "or vtrain's columns, a dflop/network-trace/1 file; --op and --ranks choose among its rows");
  command->add_option("--system", arguments->import.system, "of a table that holds several");
  command->add_option("--nccl-version", arguments->import.version, "likewise");
  command->add_option("--dtype", arguments->import.dtype, "only rows of this type, as the source writes it");
  command->add_flag("--json", arguments->json, "rows for programs");
  command->add_flag("--wide", arguments->wide, "every column of the table, however narrow the terminal");
  command->footer("Example: dflop network dgx-h100 --op all-reduce,all-gather --ranks 8,16 --bytes 1048576,1073741824");
  command->callback([arguments] { Network(*arguments); });
}

}  // namespace dflop
