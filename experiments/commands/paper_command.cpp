// `dflop paper`: a publication's figures from stored results, and what holds of its statements.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/terminal.hpp"
#include "base/text_table.hpp"
#include "experiments/commands/commands.hpp"
#include "experiments/report/report.hpp"
#include "experiments/reproduction/figures.hpp"
#include "experiments/reproduction/paper_page.hpp"

namespace dflop {
namespace {

struct PaperArguments {
  std::string statements;
  std::string results;
  std::string out;
  std::vector<std::string> figures;
  bool list = false;
};

std::vector<Statement> Chosen(const Statements& statements, const std::vector<std::string>& names) {
  if (names.empty()) return statements.figures;
  std::vector<std::string> known;
  for (const Statement& statement : statements.figures) known.push_back(statement.figure);
  std::vector<Statement> chosen;
  for (const std::string& name : names) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) throw InputError("--figure: \"" + name + "\" is not there, allowed: " + JoinNames(known));
    const Statement& statement = statements.figures[static_cast<std::size_t>(found - known.begin())];
    const bool twice = std::any_of(chosen.begin(), chosen.end(),
                                   [&](const Statement& other) { return other.figure == statement.figure; });
    if (!twice) chosen.push_back(statement);
  }
  return chosen;
}

/// As typed in the repository; what it was made by is in the result.
std::vector<UsedResult> UsedBy(const std::string& figure, const StoredResults& results) {
  std::vector<UsedResult> used;
  for (const std::string& experiment : ExperimentsOf(figure)) {
    if (!results.Has(experiment)) continue;
    const Report& report = results.Get(experiment);
    const Json* command = report.provenance.is_null() ? nullptr : report.provenance.find("command");
    UsedResult one{experiment, command == nullptr ? "" : command->as<std::string>(), 0, results.SeedsWanted(experiment),
                   report.inputs};
    for (const PointFigures& point : report.points) {
      for (const PolicyFigures& policy : point.policies) one.seeds = std::max(one.seeds, policy.seeds.seeds.size());
    }
    used.push_back(std::move(one));
  }
  return used;
}

/// A plan that memory does not hold would not run as it is judged.
void NoteWhatDoesNotFit(const std::string& figure, const StoredResults& results, ReproducedFigure& made) {
  for (const std::string& experiment : ExperimentsOf(figure)) {
    if (!results.Has(experiment)) continue;
    std::string unfit;
    for (const PointFigures& point : results.Get(experiment).points) {
      for (const PolicyFigures& policy : point.policies) {
        if (policy.seeds.empty() || policy.figures.fits) continue;
        unfit += (unfit.empty() ? "" : "; ") + policy.policy + " in " + point.title();
      }
    }
    if (!unfit.empty())
      made.notes.push_back("With some seed too large for the memory, and judged all the same: " + unfit + ".");
  }
}

JudgedFigure JudgeFigure(const Statement& statement, const StoredResults& results) {
  ReproducedFigure figure = MakeFigure(statement.figure, results);
  NoteWhatDoesNotFit(statement.figure, results, figure);
  JudgedStatement judged = Judge(statement, figure.quantities);
  return {std::move(judged), std::move(figure), UsedBy(statement.figure, results)};
}

void WriteFigures(const std::vector<JudgedFigure>& figures, const std::string& out) {
  for (const JudgedFigure& figure : figures) {
    for (const NamedFigure& panel : figure.figure.panels) {
      WriteFile(out + "/" + panel.name + ".svg", panel.svg.Standalone(FigureStyle()));
    }
    WriteFile(out + "/" + figure.judged.statement.figure + ".csv", figure.figure.csv);
  }
}

Paint PaintOf(const JudgedStatement& judged) {
  if (judged.held == judged.clauses.size()) return Paint::kBest;
  return judged.held == 0 ? Paint::kBad : Paint::kWarning;
}

void PrintVerdicts(const std::vector<JudgedFigure>& figures) {
  TextTable table({{.heading = "figure", .left = true},
                   {.heading = "verdict", .left = true},
                   {.heading = "clauses held"},
                   {.heading = "what", .left = true}});
  for (const JudgedFigure& figure : figures) {
    const JudgedStatement& judged = figure.judged;
    const std::string held = std::to_string(judged.held) + " of " + std::to_string(judged.clauses.size());
    table.Add({.cells = {judged.statement.label(), judged.verdict(), held, judged.statement.title},
               .paint = PaintOf(judged)});
  }
  const std::string text = table.Text(OutputStyle());
  std::fwrite(text.data(), 1, text.size(), stdout);
  PrintWrapped(Tally(figures) + "\n");
}

void ListExperiments(const std::vector<Statement>& chosen) {
  std::vector<std::string> listed;
  for (const Statement& statement : chosen) {
    for (const std::string& experiment : ExperimentsOf(statement.figure)) {
      if (std::find(listed.begin(), listed.end(), experiment) != listed.end()) continue;
      listed.push_back(experiment);
      std::printf("%s\n", experiment.c_str());
    }
  }
}

void Draw(const PaperArguments& arguments) {
  const Statements statements = ReadStatements(arguments.statements);
  const std::vector<Statement> chosen = Chosen(statements, arguments.figures);
  if (arguments.list) {
    ListExperiments(chosen);
    return;
  }
  if (arguments.results.empty() || arguments.out.empty()) throw InputError("--results and --out are wanted, or --list");
  const std::string folder = std::filesystem::path(arguments.statements).parent_path().string();
  const StoredResults results(arguments.results, folder.empty() ? "." : folder);
  std::vector<JudgedFigure> figures;
  std::string missing;
  for (const Statement& statement : chosen) {
    try {
      figures.push_back(JudgeFigure(statement, results));
    } catch (const InputError& error) {
      missing += (missing.empty() ? "" : "\n") + statement.label() + " is left out: " + error.what();
    }
  }
  if (figures.empty()) throw InputError(missing);
  WriteFigures(figures, arguments.out);
  std::string only;
  for (const std::string& name : arguments.figures) only += " --figure " + name;
  const std::string command =
      "dflop paper " + arguments.statements + " --results " + arguments.results + " --out " + arguments.out + only;
  WriteFile(arguments.out + "/index.html", PaperPage(statements.source, figures));
  WriteFile(arguments.out + "/README.md", PaperReadme(statements.source, figures, command));
  WriteFile(arguments.out + "/verdicts.json", VerdictsJson(statements.source, figures).Dump(1) + "\n");
  PrintVerdicts(figures);
  std::printf("page: %s/index.html\n", arguments.out.c_str());
  if (!missing.empty()) throw InputError(missing);
}

}  // namespace

void AddPaperCommand(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("paper", "a publication's figures from stored results, and what of them holds");
  const auto arguments = std::make_shared<PaperArguments>();
  command->add_option("statements", arguments->statements, "what the publication states: a dflop/statements/1 file")
      ->required()
      ->type_name("STATEMENTS.json");
  command->add_option("--results", arguments->results, "a folder per experiment, each as `dflop run` leaves it")
      ->type_name("DIR");
  command
      ->add_option("--out", arguments->out,
                   "folder for index.html, README.md, verdicts.json, an SVG and a CSV a figure")
      ->type_name("DIR");
  command->add_option("--figure", arguments->figures, "these only")->type_name("FIG");
  command->add_flag("--list", arguments->list, "name the experiments that are needed, one a line, and stop");
  command->footer(
      "experiments/reproduce.sh runs what is needed and calls this.\n"
      "Example: dflop paper experiments/paper/statements.json --results results/local/paper --out results/paper");
  command->callback([arguments] { Draw(*arguments); });
}

}  // namespace dflop
