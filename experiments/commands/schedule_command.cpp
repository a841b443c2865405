// `dflop schedule show`: a pipeline schedule by itself, with times of its own choosing.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/finite_range.hpp"
#include "base/terminal.hpp"
#include "base/text.hpp"
#include "experiments/commands/commands.hpp"
#include "experiments/report/report.hpp"
#include "experiments/report/schedule_chart.hpp"
#include "policies/api/checked_plugins.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/plugin_error.hpp"
#include "policies/api/registry.hpp"
#include "policies/api/schedule_csv.hpp"
#include "policies/api/timed_orders.hpp"

namespace dflop {
namespace {

constexpr int kMostStages = 1024;
constexpr int kMostMicrobatches = 1 << 16;
constexpr double kMostSeconds = 1e6;

struct ScheduleArguments {
  std::string name;
  int stages = 4;
  int microbatches = 8;
  std::vector<std::string> parameters;
  double forward = 1, backward_input = 1, backward_weight = 1, transfer = 0;
  double memory_limit = std::numeric_limits<double>::infinity();
  double weight_share = 1;
  std::string csv, svg;
  std::string csv_format = "compute_only";
  bool csv_fsdp = false;
  bool json = false;
};

/// "chunks=4" → {"name": …, "chunks": 4}; what is no JSON is a word.
Json SpecOf(const ScheduleArguments& arguments) {
  Json spec;
  spec["name"] = arguments.name;
  for (const std::string& parameter : arguments.parameters) {
    const std::size_t equals = parameter.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw InputError("--param " + JsonQuote(parameter) + " is not of the form key=value");
    }
    const std::string value = parameter.substr(equals + 1);
    try {
      spec[parameter.substr(0, equals)] = ParseJson(value, "");
    } catch (const InputError&) {
      spec[parameter.substr(0, equals)] = value;
    }
  }
  return spec;
}

ScheduleProblem ProblemOf(const PipelineSchedule& schedule, const ScheduleArguments& arguments) {
  ScheduleProblem problem = ShapeOf(schedule, arguments.stages, arguments.microbatches);
  const StageTimes times{Seconds(arguments.forward), Seconds(arguments.backward_input),
                         Seconds(arguments.backward_weight)};
  problem.times.assign(Index(problem.stages()), std::vector<StageTimes>(Index(problem.microbatches), times));
  const std::vector<Seconds> hops(Index(problem.microbatches), Seconds(arguments.transfer));
  problem.transfers.assign(Index(problem.stages() - 1), hops);
  problem.held.assign(Index(problem.stages()), static_cast<double>(problem.directions) / problem.chunks);
  problem.memory_limit = arguments.memory_limit;
  problem.weight_share = arguments.weight_share;
  return problem;
}

Json OrderJson(const DeviceOrder& order, const std::vector<int>& stages, int splits) {
  Json list = Json::EmptyArray();
  for (const ScheduledOp& op : order) {
    Json entry;
    entry["kind"] = KindName(op.kind);
    entry["stage"] = stages[Index(op.chunk)];
    entry["microbatch"] = op.microbatch;
    if (splits > 1) entry["split"] = op.split;
    if (op.pair > 0) entry["pair"] = op.pair;
    list.push_back(std::move(entry));
  }
  return list;
}

Json ResultJson(const std::vector<DeviceOrder>& orders, const ScheduleProblem& problem, const TimedOrders& run) {
  const std::vector<std::vector<int>> stages = problem.StagesOfDevices();
  Json json;
  json["order"] = Json::EmptyArray();
  for (std::size_t device = 0; device < orders.size(); ++device) {
    json["order"].push_back(OrderJson(orders[device], stages[device], problem.splits));
  }
  json["makespan_s"] = run.makespan.value();
  json["span_s"] = run.span.value();
  json["bubble_of_makespan"] = run.bubble_of_makespan();
  json["bubble_of_span"] = run.bubble_of_span();
  json["peak_activations"] = Json::ArrayOf(run.peak_activations);
  return json;
}

/// One character a slot of the shortest operation: the microbatch's last digit forward, letters backward.
std::string GridRow(const std::vector<TimedOp>& device, double slot, std::size_t width) {
  constexpr int kLetters = 26, kDigits = 10;
  std::string row(width, '.');
  for (const TimedOp& one : device) {
    const auto begin = static_cast<std::size_t>(std::llround(one.start.value() / slot));
    const auto end = std::max(begin + 1, static_cast<std::size_t>(std::llround(one.end.value() / slot)));
    char mark = static_cast<char>('0' + one.op.microbatch % kDigits);
    if (one.op.kind == OpKind::kBackwardWeight) mark = static_cast<char>('A' + one.op.microbatch % kLetters);
    if (GivesInputGradient(one.op.kind)) mark = static_cast<char>('a' + one.op.microbatch % kLetters);
    for (std::size_t at = begin; at < std::min(end, width); ++at) row[at] = mark;
  }
  return row;
}

std::string PeakText(const TimedOrders& run, std::size_t device) {
  return "  peak " + Format("%g", run.peak_activations[device]);
}

/// Slots of a line beside the device's name and what it holds.
std::size_t BandOf(const TimedOrders& run, std::size_t slots, const TextStyle& style) {
  constexpr std::size_t kName = 11, kFewestSlots = 8;
  if (!style.width) return slots;
  std::size_t beside = 0;
  for (std::size_t device = 0; device < run.devices.size(); ++device) {
    beside = std::max(beside, PeakText(run, device).size());
  }
  return std::max(kFewestSlots, *style.width - std::min(*style.width, kName + beside));
}

/// The grid in bands of time, as wide as the terminal allows.
std::string GridText(const TimedOrders& run, const TextStyle& style) {
  constexpr std::size_t kWidest = 160;
  double slot = HUGE_VAL;
  for (const auto& device : run.devices) {
    for (const TimedOp& one : device) {
      if (one.end > one.start) slot = std::min(slot, (one.end - one.start).value());
    }
  }
  if (!std::isfinite(slot)) return "";
  slot = std::max(slot, run.makespan.value() / kWidest);
  const auto width = static_cast<std::size_t>(std::ceil(run.makespan.value() / slot - 1e-9));
  const std::size_t band = BandOf(run, width, style);
  std::string text;
  for (std::size_t begin = 0; begin < width; begin += band) {
    if (begin > 0) text += Format("after %s s\n", Format("%.4g", slot * static_cast<double>(begin)).c_str());
    for (std::size_t device = 0; device < run.devices.size(); ++device) {
      text += Format("device %-3zu ", device) + GridRow(run.devices[device], slot, width).substr(begin, band);
      text += begin == 0 ? PeakText(run, device) + "\n" : "\n";
    }
  }
  return text +
         "digits: forward of the microbatch; a, b, …: its backward, or the input's half; A, B, …: the weights'\n";
}

void PrintText(const TimedOrders& run) {
  const TextStyle style = OutputStyle();
  PrintWrapped(
      GridText(run, style) + Format("makespan %s s, %.2f %% idle; longest span of a device %s s, %.2f %% idle\n",
                                    ShortestNumber(run.makespan.value()).c_str(), 100 * run.bubble_of_makespan(),
                                    ShortestNumber(run.span.value()).c_str(), 100 * run.bubble_of_span()),
      style);
}

/// PyTorch's files have a rank for every stage, and no word for a part of a microbatch.
void CheckCsv(const ScheduleProblem& problem, const ScheduleArguments& arguments) {
  if (arguments.csv.empty()) return;
  if (problem.directions > 1) {
    throw InputError("--csv: " + arguments.name + " has every stage on two devices, in PyTorch's files each is on one");
  }
  if (problem.splits > 1) {
    throw InputError("--csv: " + arguments.name +
                     " runs parts of microbatches, for which PyTorch's files have no word; with 1 split it has none");
  }
}

/// Where sends and receives go beside pairs is not said.
void CheckCsvPairs(const std::vector<DeviceOrder>& orders, const ScheduleArguments& arguments) {
  if (arguments.csv.empty() || arguments.csv_format == "compute_only") return;
  for (const DeviceOrder& order : orders) {
    if (std::none_of(order.begin(), order.end(), [](const ScheduledOp& op) { return op.pair > 0; })) continue;
    throw InputError("--csv: " + arguments.name +
                     " runs forwards and backwards as pairs, which are written with --csv-format compute_only alone");
  }
}

/// Most schedules look at no limit, so it is held against what they hold.
int FirstTooMany(const std::vector<TimedOp>& device, const ScheduleProblem& problem, std::size_t number) {
  const std::vector<int> stages = problem.StagesOfDevices()[number];
  double held = 0;
  for (const TimedOp& one : device) {
    const double of_stage = problem.Held(stages[Index(one.op.chunk)]) / problem.splits;
    if (one.op.kind == OpKind::kForward) held += of_stage;
    if (held > problem.memory_limit * (1 + 1e-12)) return one.op.microbatch;
    if (one.op.kind == OpKind::kBackward) held -= of_stage;
    if (one.op.kind == OpKind::kBackwardInput) held -= of_stage * (1 - problem.weight_share);
    if (one.op.kind == OpKind::kBackwardWeight) held -= of_stage * problem.weight_share;
  }
  return 0;
}
void CheckMemory(const TimedOrders& run, const ScheduleProblem& problem, const ScheduleArguments& arguments) {
  for (std::size_t device = 0; device < run.peak_activations.size(); ++device) {
    if (run.peak_activations[device] <= arguments.memory_limit * (1 + 1e-12)) continue;  // sums round
    const double peak = run.peak_activations[device];
    throw InputError(arguments.name + ": device " + std::to_string(device) + " holds " + Format("%g", peak) +
                     " microbatches, --memory-limit is " + Format("%g", arguments.memory_limit) + ": " +
                     Format("%g", peak - arguments.memory_limit) + " too many, from the forward of microbatch " +
                     std::to_string(FirstTooMany(run.devices[device], problem, device)) + " on");
  }
}

std::vector<DeviceOrder> OrdersFor(const PipelineSchedule& schedule, const ScheduleProblem& problem,
                                   const ScheduleArguments& arguments) {
  std::vector<DeviceOrder> orders;
  try {
    orders = schedule.Orders(problem);
  } catch (const Infeasible& error) {
    throw InputError(arguments.name + ": " + error.what());
  }
  ScheduleProblem unlimited = problem;
  unlimited.memory_limit = std::numeric_limits<double>::infinity();
  std::string wrong = WhyPlacementFails(problem.placement, problem.devices, problem.chunks);
  if (wrong.empty()) wrong = WhyOrdersFail(orders, unlimited);
  if (wrong.empty()) return orders;
  throw PluginError("pipeline schedule " + JsonQuote(arguments.name) + " fails for " +
                    std::to_string(problem.microbatches) + " microbatches on " + std::to_string(problem.devices) +
                    " devices: " + wrong);
}

CsvOptions CsvOptionsOf(const ScheduleArguments& arguments) {
  const bool comms = arguments.csv_format == "compute_comms";
  if (arguments.csv_fsdp && !comms) throw InputError("--csv-fsdp wants --csv-format compute_comms");
  return {comms ? CsvFormat::kComputeComms : CsvFormat::kComputeOnly, arguments.csv_fsdp};
}

void Show(const ScheduleArguments& arguments) {
  const Json spec = SpecOf(arguments);
  // The limit is for schedules that look at it; whether all keep it is checked below, in words of this command.
  const auto schedule = Registry<PipelineSchedule>::Instance().Make(JsonReader(spec, "SCHEDULE"));
  const ScheduleProblem problem = ProblemOf(*schedule, arguments);
  CheckCsv(problem, arguments);
  const std::vector<DeviceOrder> orders = OrdersFor(*schedule, problem, arguments);
  CheckCsvPairs(orders, arguments);
  const TimedOrders run = RunOrders(orders, problem, arguments.weight_share);
  CheckMemory(run, problem, arguments);
  if (!arguments.csv.empty()) WriteFile(arguments.csv, ScheduleCsv(orders, problem, CsvOptionsOf(arguments)));
  if (!arguments.svg.empty()) WriteFile(arguments.svg, ScheduleChart(run, arguments.name).Standalone(FigureStyle()));
  arguments.json ? static_cast<void>(std::printf("%s\n", ResultJson(orders, problem, run).Dump(1).c_str()))
                 : PrintText(run);
}

}  // namespace

void AddScheduleCommand(CLI::App& app) {
  CLI::App* schedule = app.add_subcommand("schedule", "Pipeline schedules by themselves");
  schedule->require_subcommand(1);
  CLI::App* command = schedule->add_subcommand("show", "The order of every device, its bubble and what it holds");
  const auto arguments = std::make_shared<ScheduleArguments>();
  command->add_option("name", arguments->name, "one of `dflop list pipelines`")->required()->type_name("SCHEDULE");
  command->add_option("--stages", arguments->stages, "devices of the pipeline")
      ->check(CLI::Range(1, kMostStages))
      ->capture_default_str();
  command->add_option("--microbatches", arguments->microbatches)
      ->check(CLI::Range(1, kMostMicrobatches))
      ->capture_default_str();
  command->add_option("--param", arguments->parameters, "of the schedule, as chunks=4")->type_name("KEY=VALUE");
  const auto seconds = [&](const char* flag, double& value, const char* what) {
    command->add_option(flag, value, what)->check(FiniteRange(0.0, kMostSeconds))->capture_default_str();
  };
  seconds("--forward", arguments->forward, "seconds of a chunk's forward");
  seconds("--backward-input", arguments->backward_input, "seconds of its backward for the input");
  seconds("--backward-weight", arguments->backward_weight, "and for the weights");
  seconds("--transfer", arguments->transfer, "seconds of a message between devices, which occupies none");
  command->add_option("--memory-limit", arguments->memory_limit, "microbatches of a whole device's layers")
      ->check([](const std::string& text) {
        double limit = 0;
        const bool positive = CLI::detail::lexical_cast(text, limit) && limit > 0;
        return positive ? std::string() : JsonQuote(text) + " is no number of microbatches above 0";
      });
  command->add_option("--weight-share", arguments->weight_share, "of an activation kept for the weights' backward")
      ->check(FiniteRange(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--csv", arguments->csv, "write the order as PyTorch's schedules read it")->type_name("FILE");
  command->add_option("--csv-format", arguments->csv_format, "compute_comms: with every send and receive")
      ->check(CLI::IsMember({"compute_only", "compute_comms"}))
      ->capture_default_str();
  command->add_flag("--csv-fsdp", arguments->csv_fsdp, "with UNSHARD, RESHARD and REDUCE_GRAD, for compute_comms");
  command->add_option("--svg", arguments->svg, "draw it")->type_name("FILE");
  command->add_flag("--json", arguments->json, "{order, makespan_s, span_s, bubbles, peak_activations}");
  command->footer("Example: dflop schedule show zb-h1 --stages 4 --microbatches 8");
  command->callback([arguments] { Show(*arguments); });
}

}  // namespace dflop
