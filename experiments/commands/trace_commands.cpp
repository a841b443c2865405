// A subcommand each for the options, a function each for the work.
#include "experiments/commands/trace_commands.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/finite_range.hpp"
#include "base/json_reader.hpp"
#include "base/terminal.hpp"
#include "experiments/profile/trace_report.hpp"
#include "models/cluster_spec.hpp"
#include "traces/import_costs.hpp"
#include "traces/network_trace.hpp"

namespace dflop {
namespace {

struct ImportOptions {
  std::string from;
  std::vector<std::string> paths;
  std::string device;
  NetworkImport network;
  std::string out;
};

struct CompareOptions {
  std::string measured;
  std::string other;
  double shortest_us = 50;
  int worst = 5;
};

GpuSpec BuiltInGpu(const std::string& name) {
  const Json json(name);
  return ReadGpu(JsonReader(json, "gpu"));
}

/// What a log does not say, and what of a table is wanted, kernels have no use for, nor collectives for a GPU's name.
void CheckUsed(const ImportOptions& options) {
  const NetworkImport& network = options.network;
  const bool of_network = !network.op.empty() || !network.system.empty() || !network.version.empty() ||
                          !network.dtype.empty() || network.ranks_per_node > 0;
  if (options.from == "nccl-tests" && !options.device.empty()) {
    throw InputError("--device: is of kernels; --from nccl-tests reads collectives, whose tables have a --system");
  }
  if (options.from != "nccl-tests" && of_network) {
    throw InputError(
        "--op, --ranks-per-node, --system, --nccl-version and --dtype are of collectives: --from nccl-tests");
  }
}

void ImportCollectives(const ImportOptions& options) {
  std::vector<NetworkTrace> traces;
  for (const std::string& path : options.paths) traces.push_back(ReadMeasuredCollectives(path, options.network));
  const NetworkTrace trace = JoinNetworkTraces(traces);
  WriteJsonFile(options.out, ToJson(trace));
  PrintWrapped(options.out + ": " + std::to_string(trace.rows.size()) + " measured collectives\n");
}

void Import(const ImportOptions& options) {
  CheckUsed(options);
  CheckFolderOf(options.out);
  if (options.from == "nccl-tests") return ImportCollectives(options);
  const CostTrace trace = options.from == "vidur" ? ImportVidur(options.paths, options.device)
                                                  : ImportAiconfigurator(options.paths, options.device);
  WriteCostTrace(options.out, trace);
  PrintWrapped(options.out + ": " + std::to_string(trace.rows.size()) + " rows of " + trace.device + "\n");
}

void PrintComparison(const CompareOptions& options) {
  const CostTrace measured = ReadCostTrace(options.measured);
  const Seconds shortest(options.shortest_us * 1e-6);
  const std::vector<std::string> gpus = BuiltInGpuNames();
  if (std::find(gpus.begin(), gpus.end(), options.other) != gpus.end()) {
    PrintWrapped(ComparisonText(measured, *BuiltInKernelCosts(BuiltInGpu(options.other)), shortest, options.worst));
    return;
  }
  if (!std::filesystem::exists(options.other)) {
    throw InputError(options.other + ": is neither a file nor a built-in GPU, which are: " + JoinNames(gpus));
  }
  // Only what B itself measured is compared, so the GPU that would fill its gaps does not matter.
  const CostTrace other = ReadCostTrace(options.other);
  const CostTrace common = CommonRows(measured, other);
  PrintWrapped(RepeatText(measured, other) + ComparisonText(common,
                                                            *TraceKernelCosts(options.other, BuiltInGpu(gpus.front())),
                                                            shortest, options.worst));
}

void Compare(const CompareOptions& options) {
  try {
    PrintComparison(options);
  } catch (const InputError& error) {
    if (!error.file().empty()) throw;
    throw InputError(options.measured, "", "beside " + options.other + ": " + error.what());
  }
}

void AddImport(CLI::App& trace) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* command = trace.add_subcommand(
      "import", "Turns foreign tables into a dflop/cost-trace/1 or, of collectives, a dflop/network-trace/1 file");
  command->add_option("--from", options->from, "layout of the tables")
      ->required()
      ->check(CLI::IsMember({"aiconfigurator", "vidur", "nccl-tests"}));
  command
      ->add_option("PATHS", options->paths,
                   "CSV files, or of nccl-tests logs, JSON and tables of collectives; several make one trace")
      ->required();
  command->add_option("--device", options->device,
                      "the GPU: which one of tables that hold several, or what paths do not tell");
  command
      ->add_option("--op", options->network.op,
                   "the collective of a log of nccl-tests that does not say, or the only one wanted")
      ->check(CLI::IsMember({"all-reduce", "all-gather", "reduce-scatter", "all-to-all", "send", "broadcast"}));
  command->add_option("--ranks-per-node", options->network.ranks_per_node, "of such a log, where hosts do not tell")
      ->check(CLI::Range(1, 1024));
  command->add_option("--system", options->network.system, "of a table of collectives that holds several");
  command->add_option("--nccl-version", options->network.version, "likewise");
  command->add_option("--dtype", options->network.dtype, "only collectives of this type, as the source writes it");
  command->add_option("--out", options->out, "the trace to write")->required();
  command->footer(
      "Example: dflop trace import --from aiconfigurator gemm_bf16_h100_sxm.csv context_attention_bf16_h100_sxm.csv "
      "--out h100.json\n"
      "Example: dflop trace import --from nccl-tests all_reduce.log all_gather.log --out network.json");
  command->callback([options] { Import(*options); });
}

void Inspect(const std::string& path) {
  const Json json = ReadJsonFile(path);
  const JsonReader reader(json, path);
  const auto schema = reader.IsObject() ? reader.Find("schema") : std::nullopt;
  const bool network = schema && schema->IsString() && schema->String().starts_with("dflop/network-trace/");
  PrintWrapped(network ? InspectionText(ReadNetworkTrace(reader)) : InspectionText(ReadCostTrace(path)));
}

void AddInspect(CLI::App& trace) {
  auto path = std::make_shared<std::string>();
  CLI::App* command = trace.add_subcommand("inspect", "Shows what a trace covers: shapes, times, rates, gaps");
  command->add_option("FILE", *path, "a dflop/cost-trace/1 or dflop/network-trace/1 file")->required();
  command->footer("Example: dflop trace inspect h100.json");
  command->callback([path] { Inspect(*path); });
}

void AddCompare(CLI::App& trace) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* command = trace.add_subcommand("compare", "Tells how well B predicts the kernels measured in A");
  command->add_option("A", options->measured, "a dflop/cost-trace/1 file")->required();
  command->add_option("B", options->other, "another trace, or the name of a built-in GPU model")->required();
  command->add_option("--shortest-us", options->shortest_us, "leave out kernels shorter than this, in microseconds")
      ->check(FiniteRange(0.0, 1e10))
      ->capture_default_str();
  command->add_option("--worst", options->worst, "how many of the worst shapes to show per operation")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command->footer("Example: dflop trace compare h100.json h100-sxm");
  command->callback([options] { Compare(*options); });
}

}  // namespace

void AddTraceCommands(CLI::App& app) {
  CLI::App* trace = app.add_subcommand("trace", "Measured kernels and collectives: import, inspect, compare");
  trace->require_subcommand(1);
  trace->footer("Example: dflop trace inspect h100.json");
  AddImport(*trace);
  AddInspect(*trace);
  AddCompare(*trace);
}

}  // namespace dflop
