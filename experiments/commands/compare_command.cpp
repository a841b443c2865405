// `dflop compare`: two stored results side by side.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/error.hpp"
#include "base/terminal.hpp"
#include "experiments/commands/commands.hpp"
#include "experiments/results/older_result.hpp"
#include "experiments/results/result_rows.hpp"
#include "experiments/results/two_results.hpp"

namespace dflop {
namespace {

struct TwoResultsArguments {
  std::string a;
  std::string b;
  std::vector<std::string> scenarios;
  std::vector<std::string> policies;
  bool json = false;
  bool wide = false;
};

/// The result's file, of a folder the one in it.
std::string ResultFile(const std::string& path) {
  std::error_code unknown;
  const std::string file = std::filesystem::is_directory(path, unknown) ? path + "/result.json" : path;
  if (!std::filesystem::exists(file, unknown)) {
    throw InputError(file, "", "is not there: a folder that `dflop run` has written, or its result.json, is wanted");
  }
  return file;
}

/// A result of an older program lacks keys, which the complaint names; only a new run has them.
void CheckReadable(const JsonReader& result) {
  try {
    result.CheckSchema("dflop/result/1", true);
    result.At("experiment").String();
    ReadRows(result);
  } catch (const InputError& error) {
    throw WithCommandToRemake(error, result.json(), result.file());
  }
}

ResultMatching MatchingOf(const TwoResultsArguments& arguments) {
  ResultMatching matching;
  matching.policies = arguments.policies;
  for (const std::string& pair : arguments.scenarios) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == pair.size()) {
      throw InputError("--scenario " + JsonQuote(pair) + " is not of the form NAME_IN_A=NAME_IN_B");
    }
    if (!matching.scenarios.emplace(pair.substr(0, equals), pair.substr(equals + 1)).second) {
      throw InputError("--scenario: " + JsonQuote(pair.substr(0, equals)) + " of A is named twice");
    }
  }
  return matching;
}

void CompareCommand(const TwoResultsArguments& arguments) {
  const std::string file_a = ResultFile(arguments.a);
  const std::string file_b = ResultFile(arguments.b);
  const Json document_a = ReadJsonFile(file_a);
  const Json document_b = ReadJsonFile(file_b);
  const JsonReader a(document_a, file_a);
  const JsonReader b(document_b, file_b);
  CheckReadable(a);
  CheckReadable(b);
  const TwoResults comparison = CompareTwoResults(a, b, MatchingOf(arguments));
  if (arguments.json) {
    std::printf("%s\n", ToJson(comparison, a, b).Dump(1).c_str());
    return;
  }
  const TextStyle style = OutputStyle(arguments.wide);
  PrintWrapped(TwoResultsText(comparison, a, b, style), style);
}

}  // namespace

void AddCompareCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("compare", "two stored results side by side: what differs, and by how much");
  const auto arguments = std::make_shared<TwoResultsArguments>();
  command->add_option("a", arguments->a, "a folder that `dflop run` has written, or its result.json")
      ->required()
      ->type_name("A");
  command->add_option("b", arguments->b, "the other one, of the same experiment or of another")
      ->required()
      ->type_name("B");
  command->add_option("--policy", arguments->policies, "only these")->type_name("NAME")->delimiter(',');
  command
      ->add_option("--scenario", arguments->scenarios,
                   "scenarios that belong together though their names differ: NAME_IN_A=NAME_IN_B")
      ->type_name("A=B");
  command->add_flag("--json", arguments->json, "all of it as dflop/comparison/1");
  command->add_flag("--wide", arguments->wide, "every column of the table, however narrow the terminal");
  command->footer(
      "Says in what the inputs differ, then of every scenario, point and policy that both have the ratio B/A of the\n"
      "mean step times, paired over the seeds that both have, and what changed with it; last, what only one has. It\n"
      "judges nothing (exit code 0): `dflop check` does.\n"
      "Example: dflop compare results/quickstart results/local/quickstart --policy dflop,uniform-tuned");
  command->callback([arguments] { CompareCommand(*arguments); });
}

}  // namespace dflop
