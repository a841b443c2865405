// The subcommands of `dflop`, one .cpp each. Every function adds one to the program; its callback throws InputError
// (exit 2) or RunError (exit 1).
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace dflop {

/// `command_line` as typed, for the provenance of results.
void AddRunCommand(CLI::App& app, const std::string& command_line);
void AddCheckCommand(CLI::App& app, const std::string& command_line);
void AddPlanCommand(CLI::App& app);
void AddProfileCommand(CLI::App& app);
void AddCompareCommand(CLI::App& app);
void AddReportCommand(CLI::App& app);
void AddListCommand(CLI::App& app);
void AddNetworkCommand(CLI::App& app);
void AddScheduleCommand(CLI::App& app);
void AddPublishedCommand(CLI::App& app);
void AddPaperCommand(CLI::App& app);

}  // namespace dflop
