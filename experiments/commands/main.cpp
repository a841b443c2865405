// The `dflop` command. Exit codes: 0 done, 1 the work failed or a check found a regression, 2 bad usage or bad input.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/json_reader.hpp"
#include "base/terminal.hpp"
#include "experiments/commands/commands.hpp"
#include "experiments/commands/sample_commands.hpp"
#include "experiments/commands/trace_commands.hpp"
#include "experiments/run/launcher.hpp"
#include "experiments/run/provenance.hpp"

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
  AddCompareCommand(app);
  AddReportCommand(app);
  AddListCommand(app);
  AddNetworkCommand(app);
  AddScheduleCommand(app);
  AddPublishedCommand(app);
  AddPaperCommand(app);
  AddTraceCommands(app);
  AddSampleCommands(app);
}

// A table on a full disk is work that failed, however quietly.
void CheckOutputArrived() {
  const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
  if (lost) throw RunError("the output could not be written");
}

/// The words as people type them: "help [COMMAND…]" is --help, "version" and "-v" are --version.
std::vector<std::string> Spelt(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) return words;
  if (words.front() == "version" || words.front() == "-v") words.front() = "--version";
  if (words.front() != "help") return words;
  words.erase(words.begin());
  words.emplace_back("--help");
  return words;
}

/// A word in a command's place that is none: CLI11 would complain of a missing command and an argument too many.
void CheckCommands(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* parent = &app;
  for (const std::string& word : words) {
    const std::vector<const CLI::App*> commands = parent->get_subcommands([](const CLI::App*) { return true; });
    if (commands.empty() || word.starts_with("-")) return;
    std::vector<std::string> names;
    names.reserve(commands.size());
    for (const CLI::App* command : commands) names.push_back(command->get_name());
    const auto found = std::find(names.begin(), names.end(), word);
    if (found == names.end()) {
      const std::string nearest = NearestName(word, names);
      const std::string of = parent == &app ? "" : " of " + parent->get_name();
      throw InputError(JsonQuote(word) + " is no command" + of +
                       (nearest.empty() ? "." : ", did you mean " + JsonQuote(nearest) + "?") +
                       " There are: " + JoinNames(names));
    }
    parent = commands[static_cast<std::size_t>(found - names.begin())];
  }
}

/// The help that was asked for, or what is wrong with the words; the exit code.
int Explain(const CLI::App& app, const CLI::ParseError& error) {
  std::ostringstream out;
  std::ostringstream complaint;
  const int code = app.exit(error, out, complaint);
  PrintWrapped(out.str());
  std::fputs(complaint.str().c_str(), stderr);
  return code == 0 ? kDone : kBadInput;
}

int Main(int argc, char** argv) {
  CLI::App app("Simulates the scheduling of multimodal-LLM training and compares policies.", "dflop");
  AddCommands(app, CommandLine(argc, argv));
  std::vector<std::string> words = Spelt(argc, argv);
  // Only rank 0 of a launched job speaks and fails: what another rank cannot do, rank 0 tries again and reports.
  const bool mute = RankFromEnvironment().rank != 0;
  try {
    CheckCommands(app, words);
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    app.parse(std::move(words));
    CheckOutputArrived();
    return kDone;
  } catch (const CLI::ParseError& error) {
    if (mute) return kDone;
    return Explain(app, error);
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

int main(int argc, char** argv) {
  // What one step frees the next one wants again; handing it back in between takes a third of a large run.
  constexpr int kKept = 1 << 30;
  mallopt(M_TRIM_THRESHOLD, kKept);
  mallopt(M_MMAP_THRESHOLD, kKept);
  return dflop::Main(argc, argv);
}
