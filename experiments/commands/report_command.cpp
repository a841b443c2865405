// `dflop report`: draws stored results anew.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <vector>

#include "base/error.hpp"
#include "experiments/commands/commands.hpp"
#include "experiments/report/report.hpp"
#include "experiments/results/result_figures.hpp"
#include "experiments/run/result.hpp"

namespace dflop {
namespace {

struct ReportArguments {
  std::vector<std::string> folders;
  std::string figures;
  bool pdf = false;
};

void TellFigures(const FigureFiles& files, const std::string& folder, bool pdf) {
  std::printf("figures: %zu in %s\n", files.figures, folder.c_str());
  if (!pdf || files.pdfs == files.figures) return;
  const std::string made = std::to_string(files.pdfs) + " of " + std::to_string(files.figures) + " PDFs";
  if (CanMakePdfs()) throw RunError("rsvg-convert made " + made + " and failed on the others");
  std::fprintf(stderr, "warning: rsvg-convert made %s: it is not installed; Debian has it in librsvg2-bin\n",
               made.c_str());
}

void DrawReports(const ReportArguments& arguments) {
  if (!arguments.figures.empty() && arguments.folders.size() > 1) {
    throw InputError("--figures: figures of several results would have the same names; give one result at a time");
  }
  // All of them are read before the first is touched.
  for (const std::string& folder : arguments.folders) {
    ReadResult(folder);
    ReadReport(folder);
  }
  for (const std::string& folder : arguments.folders) {
    const std::string figures = arguments.figures.empty() ? folder + "/figures" : arguments.figures;
    if (arguments.figures.empty()) {
      WriteReport(folder);
      std::printf("report: %s/report.html\n", folder.c_str());
    }
    if (!arguments.figures.empty() || arguments.pdf) {
      TellFigures(WriteFigures(folder, figures, arguments.pdf), figures, arguments.pdf);
    }
  }
}

}  // namespace

void AddReportCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("report", "draw the reports of stored results anew, running nothing");
  const auto arguments = std::make_shared<ReportArguments>();
  command->add_option("folders", arguments->folders, "folders with a result.json")->required()->type_name("DIR...");
  command->add_option("--figures", arguments->figures, "only the figures, as SVG files in this folder")
      ->type_name("DIR");
  command->add_flag("--pdf", arguments->pdf, "a PDF of every figure too, made by rsvg-convert");
  command->footer(
      "Examples: dflop report results/quickstart results/local/nodes-sweep\n"
      "          dflop report results/quickstart --figures paper/figures --pdf");
  command->callback([arguments] { DrawReports(*arguments); });
}

}  // namespace dflop
