// The `dflop` command. Exit codes: 0 done, 1 the work failed or a check found a regression, 2 bad usage or bad input.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "base/error.hpp"
#include "experiments/commands.hpp"
#include "experiments/launcher.hpp"
#include "experiments/provenance.hpp"
#include "experiments/sample_commands.hpp"
#include "experiments/trace_commands.hpp"

namespace dflop {
namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kBadInput = 2;

std::string CommandLine(int argc, char** argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) line += (i == 0 ? "" : " ") + std::string(argv[i]);
  return line;
}

void AddCommands(CLI::App& app, const std::string& command_line) {
  app.require_subcommand(1);
  app.set_version_flag("--version", VersionLine());
  app.footer("Example: dflop run experiments/quickstart.json\nEvery command explains itself with --help.");
  AddRunCommand(app, command_line);
  AddPlanCommand(app);
  AddProfileCommand(app);
  AddCheckCommand(app, command_line);
  AddReportCommand(app);
  AddListCommand(app);
  AddTraceCommands(app);
  AddSampleCommands(app);
}

// A table on a full disk is work that failed, however quietly.
void CheckOutputArrived() {
  const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
  if (lost) throw RunError("the output could not be written");
}

int Main(int argc, char** argv) {
  CLI::App app("Simulates the scheduling of multimodal-LLM training and compares policies.", "dflop");
  AddCommands(app, CommandLine(argc, argv));
  // Only rank 0 of a launched job speaks and fails: what another rank cannot do, rank 0 tries again and reports.
  const bool mute = RankFromEnvironment().rank != 0;
  try {
    app.parse(argc, argv);
    CheckOutputArrived();
    return kDone;
  } catch (const CLI::ParseError& error) {
    if (mute) return kDone;
    return app.exit(error) == 0 ? kDone : kBadInput;
  } catch (const InputError& error) {
    if (mute) return kDone;
    std::fprintf(stderr, "%s\n", error.what());
    return kBadInput;
  } catch (const std::exception& error) {
    if (mute) return kDone;
    std::fprintf(stderr, "dflop: %s\n", error.what());
    return kFailed;
  }
}

}  // namespace
}  // namespace dflop

int main(int argc, char** argv) { return dflop::Main(argc, argv); }
