// `dflop published import|compare`: tables of published runs as experiments, and predictions held against them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/terminal.hpp"
#include "base/text_table.hpp"
#include "experiments/commands/commands.hpp"
#include "experiments/published_runs/error_charts.hpp"
#include "experiments/published_runs/error_kinds.hpp"
#include "experiments/published_runs/error_summary.hpp"
#include "experiments/published_runs/import_runs.hpp"
#include "experiments/report/report.hpp"

namespace dflop {
namespace {

struct PublishedArguments {
  std::vector<std::string> tables;
  std::string imported;
  std::string results;
  std::string out;
  bool json = false;
  bool wide = false;
};

Json CountsJson(const std::map<std::string, std::size_t>& counts) {
  Json json = Json::EmptyObject();
  for (const auto& [name, count] : counts) json[name] = count;
  return json;
}

Json ImportJson(const RunImport& import) {
  Json json;
  json["imported"] = import.measured.size();
  json["left_out"] = import.left_out.size();
  Json& sources = json["sources"] = Json::EmptyObject();
  for (const auto& [source, count] : import.sources) {
    Json& entry = sources[source];
    entry["rows"] = count.rows;
    entry["imported"] = CountsJson(count.imported);
    entry["left_out"] = CountsJson(count.left_out);
  }
  return json;
}

void PrintJson(const Json& json) { std::printf("%s\n", json.Dump(1).c_str()); }

/// The cells of a Markdown table's line, "| a | b |".
std::vector<std::string> CellsOf(const std::string& line) {
  std::vector<std::string> cells;
  for (std::size_t begin = 1, end = 0; (end = line.find('|', begin)) != std::string::npos; begin = end + 1) {
    std::string cell = line.substr(begin, end - begin);
    cell.erase(0, std::min(cell.find_first_not_of(' '), cell.size()));
    cell.erase(cell.find_last_not_of(' ') + 1);
    cells.push_back(std::move(cell));
  }
  return cells;
}

/// As a terminal shows a Markdown table: the file has it as it is.
std::string TableOnTerminal(const std::vector<std::string>& lines, const TextStyle& style) {
  const std::vector<std::string> headings = CellsOf(lines[0]);
  const std::vector<std::string> sides = CellsOf(lines[1]);
  std::vector<TableColumn> columns;
  for (std::size_t i = 0; i < headings.size(); ++i) {
    columns.push_back({headings[i], !sides[i].ends_with(':'), i == 0 ? 0 : 1});
  }
  TextTable table(std::move(columns));
  for (std::size_t i = 2; i < lines.size(); ++i) {
    std::vector<std::string> cells = CellsOf(lines[i]);
    cells.resize(headings.size());  // a name may hold a bar
    table.Add({std::move(cells)});
  }
  return table.Text(style) + LeftOutNote(table.LeftOut(style), table.columns());
}

std::string MarkdownOnTerminal(const std::string& markdown, const TextStyle& style) {
  std::string text;
  std::vector<std::string> table;
  std::istringstream lines(markdown + "\n");
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('|')) {
      table.push_back(line);
      continue;
    }
    if (table.size() > 1) text += TableOnTerminal(std::exchange(table, {}), style);
    text += line + "\n";
  }
  return text;
}

void ImportTables(const PublishedArguments& arguments) {
  const RunImport import = ImportRuns(arguments.tables);
  WriteRuns(import, arguments.out);
  arguments.json ? PrintJson(ImportJson(import)) : PrintWrapped(CountsText(import));
}

void WritePictures(const std::vector<PredictedRun>& runs, const std::string& folder) {
  WriteFile(folder + "/predicted-over-measured.svg", PredictedChart(runs).Standalone(FigureStyle()));
  WriteFile(folder + "/error-by-source.svg", ErrorsBySourceChart(runs).Standalone(FigureStyle()));
  WriteFile(folder + "/error-by-gpus.svg", ErrorsByGpusChart(runs).Standalone(FigureStyle()));
  WriteFile(folder + "/error-by-degrees.svg", ErrorsByDegreesChart(runs).Standalone(FigureStyle()));
}

void Compare(const PublishedArguments& arguments) {
  const std::vector<PredictedRun> runs = ReadPredictedRuns(arguments.imported, arguments.results);
  const ErrorTables tables = Summarize(runs);
  const std::string text = TablesText(tables);
  WriteFile(arguments.out + "/table.md", text);
  WriteFile(arguments.out + "/errors.csv", ErrorsCsv(runs));
  WriteFile(arguments.out + "/errors-by-kind.json", ErrorKindsJson(runs).Dump(1) + "\n");
  WritePictures(runs, arguments.out + "/figures");
  const TextStyle style = OutputStyle(arguments.wide);
  arguments.json ? PrintJson(TablesJson(tables))
                 : PrintWrapped(style.width ? MarkdownOnTerminal(text, style) : text, style);
}

void AddPublishedImport(CLI::App& published, const std::shared_ptr<PublishedArguments>& arguments) {
  CLI::App* command =
      published.add_subcommand("import", "Turn tables of published runs into experiments, one per source and class");
  command->add_option("tables", arguments->tables, "tables: columns of published runs, or of vTrain's validation")
      ->required()
      ->type_name("CSV");
  command->add_option("--out", arguments->out, "folder for the experiments, measured.csv and left-out.csv")
      ->required()
      ->type_name("DIR");
  command->add_flag("--json", arguments->json, "counts for programs");
  command->footer(
      "Rows that state too little, or what the program does not know, are counted by reason and listed in "
      "left-out.csv.\nExample: dflop published import published_runs.csv --out published");
  command->callback([arguments] { ImportTables(*arguments); });
}

void AddPublishedCompare(CLI::App& published, const std::shared_ptr<PublishedArguments>& arguments) {
  CLI::App* command = published.add_subcommand("compare", "Hold predictions against what was measured");
  command->add_option("imported", arguments->imported, "the folder that `dflop published import` wrote")
      ->required()
      ->type_name("IMPORT_DIR");
  command->add_option("--results", arguments->results, "of `dflop run`, a folder per experiment: FILE/table.csv")
      ->required()
      ->type_name("RESULTS_DIR");
  command->add_option("--out", arguments->out, "folder for table.md, errors.csv, errors-by-kind.json and figures/*.svg")
      ->required()
      ->type_name("OUT");
  command->add_flag("--json", arguments->json, "the tables for programs");
  command->add_flag("--wide", arguments->wide, "the tables as they are, however narrow the terminal");
  command->footer("Example: dflop published compare published --results results/local --out comparison");
  command->callback([arguments] { Compare(*arguments); });
}

}  // namespace

void AddPublishedCommand(CLI::App& app) {
  CLI::App* published = app.add_subcommand("published", "Published runs: import them, compare predictions with them");
  published->require_subcommand(1);
  published->footer("Example: dflop published import published_runs.csv --out published");
  const auto arguments = std::make_shared<PublishedArguments>();
  AddPublishedImport(*published, arguments);
  AddPublishedCompare(*published, arguments);
}

}  // namespace dflop
