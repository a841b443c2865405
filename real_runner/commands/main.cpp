// The `real_runner` command: measures real kernels and executes plans with them. Exit codes: 0 done, 1 the work failed,
// 2 bad usage or bad input.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "base/error.hpp"
#include "base/wall_clock.hpp"
#include "build_info.hpp"  // written by cmake/WriteBuildInfo.cmake
#include "real_runner/commands/profile_command.hpp"
#include "real_runner/commands/run_command.hpp"
#include "real_runner/commands/validate_command.hpp"
#include "real_runner/messages/transport.hpp"

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

std::string VersionLine() {
  return std::string("real_runner ") + build_info::kVersion + " (commit " + build_info::kCommit +
         (build_info::kDirty ? ", with local changes)" : ")");
}

Json Provenance(const std::string& command_line) {
  Json json;
  json["version"] = build_info::kVersion;
  json["git_commit"] = build_info::kCommit;
  json["git_dirty"] = build_info::kDirty;
  json["compiler"] = build_info::kCompiler;
  json["command"] = command_line;
  json["date"] = UtcNow();
  return json;
}

int Main(int argc, char** argv) {
  CLI::App app("Runs real kernels: measures their cost, executes plans, checks predictions.", "real_runner");
  app.require_subcommand(1);
  app.set_version_flag("--version", VersionLine());
  app.footer("Example: real_runner profile --backend cpu --model tiny-vlm --out cpu.json --budget 60s");
  AddProfileCommand(app, CommandLine(argc, argv));
  AddRunCommand(app);
  AddValidateCommand(app, Provenance(CommandLine(argc, argv)));
  try {
    app.parse(argc, argv);
    return kDone;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kBadInput;
  } catch (const InputError& error) {
    if (LauncherRank() == 0) std::fprintf(stderr, "%s\n", error.what());  // every rank of a job has read the same
    return kBadInput;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "real_runner: %s\n", error.what());
    return kFailed;
  }
}

}  // namespace
}  // namespace dflop

int main(int argc, char** argv) { return dflop::Main(argc, argv); }
