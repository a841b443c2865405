// Options only; the work is real_runner/validate/validator.cpp.
#include "real_runner/commands/validate_command.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "base/finite_range.hpp"
#include "real_runner/validate/validator.hpp"

namespace dflop {

void AddValidateCommand(CLI::App& app, const Json& provenance) {
  CLI::App* command = app.add_subcommand(
      "validate", "predicts an experiment, executes its plans on this machine, and compares the two");
  const auto options = std::make_shared<ValidationOptions>();
  options->provenance = provenance;
  command->add_option("experiment", options->experiment, "without a sweep, with a baseline")
      ->required()
      ->type_name("EXPERIMENT.json");
  command->add_option("--backend", options->backend, "spin: operations last as predicted; cpu, cuda: real kernels")
      ->required();
  command->add_option("--out", options->out, "folder of plans, results and report")->required()->type_name("DIR");
  command->add_option("--policy", options->policies, "only this one; may be given several times")
      ->allow_extra_args(false);
  command->add_option("--trace", options->trace, "kernel costs of this machine, instead of a profile")
      ->type_name("TRACE.json");
  command->add_option("--profile-budget", options->profile_budget, "time to measure kernels: 300, 300s or 5m")
      ->capture_default_str();
  command->add_option("--repeats", options->repeats, "of every step")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--warm-up", options->warm_up, "repeats before those, not kept")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command
      ->add_option("--attempts", options->attempts,
                   "at most so many for a step that other processes disturb, the last is kept")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command->add_option("--time-scale", options->time_scale, "spin only: real seconds per predicted second")
      ->check(FiniteRange(1e-6, 1e3));
  command->footer(
      "Plans and simulates with the `dflop` program beside this one. Ranks are processes where mpirun is found.\n"
      "Example: real_runner validate experiments/validate-cpu.json --backend cpu --out results/local/validate-cpu");
  command->callback([options] { RunValidation(*options); });
}

}  // namespace dflop
