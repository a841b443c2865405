// `dflop report`: draws stored results anew.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <vector>

#include "experiments/commands/commands.hpp"
#include "experiments/report/report.hpp"
#include "experiments/run/result.hpp"

namespace dflop {

void AddReportCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("report", "draw the reports of stored results anew, running nothing");
  const auto folders = std::make_shared<std::vector<std::string>>();
  command->add_option("folders", *folders, "folders with a result.json")->required()->type_name("DIR...");
  command->footer("Example: dflop report results/quickstart results/local/nodes-sweep");
  command->callback([folders] {
    for (const std::string& folder : *folders) ReadResult(folder);  // all of them, before the first is touched
    for (const std::string& folder : *folders) {
      WriteReport(folder);
      std::printf("report: %s/report.html\n", folder.c_str());
    }
  });
}

}  // namespace dflop
