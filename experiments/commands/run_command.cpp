// `dflop run`: experiment in, folder of results out.
#include <thread>

#include "base/terminal.hpp"
#include "experiments/commands/commands.hpp"
#include "experiments/commands/run_options.hpp"
#include "experiments/results/summary.hpp"

namespace dflop {
namespace {

struct RunArguments {
  RunFlags flags;
  std::string out;
  std::string trace = "sample";
  bool no_report = false;
  bool wide = false;
};

void Run(const RunArguments& arguments, const std::string& command_line) {
  const Experiment experiment = ReadExperiment(arguments.flags.experiment, arguments.flags.overrides);
  const std::string out = arguments.out.empty() ? "results/local/" + experiment.name : arguments.out;
  RunOptions options = MakeRunOptions(arguments.flags, out, command_line);
  options.trace = TraceDetailOf(arguments.trace);
  options.report = !arguments.no_report;
  const std::optional<Json> result = RunExperiment(experiment, options);
  if (!result || arguments.flags.quiet) return;
  const JsonReader reader(*result, out + "/result.json");
  const TextStyle style = OutputStyle(arguments.wide);
  const std::string page = options.report ? "report: " + out + "/report.html" : "result: " + out + "/result.json";
  PrintWrapped(
      SummaryTable(Summarise(reader), experiment.baselines, style) + "\n" + AssumptionLines(reader) + page + "\n",
      style);
}

}  // namespace

RunOptions MakeRunOptions(const RunFlags& flags, const std::string& out, const std::string& command_line) {
  RunOptions options;
  options.out = out;
  options.rank = RankFromEnvironment();
  const int cores = options.rank.size > 1 ? 1 : static_cast<int>(std::thread::hardware_concurrency());
  options.jobs = flags.jobs > 0 ? flags.jobs : std::max(1, cores);
  options.quiet = flags.quiet;
  options.command = command_line;
  return options;
}

void AddRunCommand(CLI::App& app, const std::string& command_line) {
  CLI::App* command = app.add_subcommand("run", "simulate every scenario, sweep point, policy and seed");
  const auto arguments = std::make_shared<RunArguments>();
  AddRunFlags(*command, arguments->flags);
  command->add_option("--out", arguments->out, "folder of the results; by default results/local/<experiment name>")
      ->type_name("DIR");
  command
      ->add_option("--trace", arguments->trace,
                   "of a step's picture and trace: full draws every device, sample of more than " +
                       std::to_string(kMostDrawnGroups) + " device groups those that tell what happened, none nothing")
      ->check(CLI::IsMember(TraceDetailNames()))
      ->capture_default_str();
  command->add_flag("--no-report", arguments->no_report,
                    "no report.html and no figures: `dflop report` makes them later");
  command->add_flag("--wide", arguments->wide, "every column of the table, however narrow the terminal");
  command->footer(
      "A run that was killed continues where it stopped when it is started again with the same inputs.\n"
      "Example: dflop run experiments/quickstart.json --out /tmp/quickstart --jobs 4\n"
      "On several machines, with a shared --out: mpirun -n 64 dflop run experiments/nodes-sweep.json --out "
      "/shared/sweep");
  command->callback([arguments, command_line] { Run(*arguments, command_line); });
}

}  // namespace dflop
