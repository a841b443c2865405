// What `dflop run` and `dflop check` have in common on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "experiments/run/runner.hpp"
#include "experiments/spec/experiment.hpp"

namespace dflop {

struct RunFlags {
  std::string experiment;
  int jobs = 0;  ///< 0: not given
  bool quiet = false;
  ExperimentOverrides overrides;
};

/// Adds EXPERIMENT.json, --jobs, --seed, --first-seeds, --engine and --quiet.
inline void AddRunFlags(CLI::App& command, RunFlags& flags) {
  command.add_option("experiment", flags.experiment, "the experiment file")->required()->type_name("EXPERIMENT.json");
  command
      .add_option("--jobs", flags.jobs, "worker processes; by default one per core, or one per rank under a launcher")
      ->check(CLI::Range(1, 4096));
  command.add_option("--seed", flags.overrides.seed, "replaces the experiment's seeds")
      ->check(CLI::Range(std::int64_t{0}, kLargestSeed));
  command.add_option("--first-seeds", flags.overrides.first_seeds, "no more than so many of the experiment's seeds")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20));
  command.add_option("--engine", flags.overrides.engine, "replay or simgrid; replaces the experiment's engine")
      ->check(CLI::IsMember({"replay", "simgrid"}));
  command.add_flag("--quiet", flags.quiet, "no table, no warnings, no progress bar");
}

RunOptions MakeRunOptions(const RunFlags& flags, const std::string& out, const std::string& command_line);

}  // namespace dflop
