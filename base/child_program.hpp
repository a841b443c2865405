// Other programs as processes: started, waited for, their words kept.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace dflop {

struct ChildProgram {
  std::string path;
  std::vector<std::string> arguments;  ///< without the program's name, which is the path's last part
  std::string folder = ".";            ///< that it works in
  std::vector<std::pair<std::string, std::string>> environment{};  ///< on top of this process's
  std::string log{};  ///< file that its output is added to, under its command line; "" = nowhere
};

struct ProgramOutcome {
  int code = 0;    ///< exit code, when no signal ended it
  int signal = 0;  ///< that ended it, 0 = none
  std::string errors;
};

/// Waits for its end. It is ended when this process is. RunError when it cannot be started.
ProgramOutcome RunProgram(const ChildProgram& program);

/// The same, where only code 0 will do: InputError with its own words for code 2, RunError with them and the command
/// for anything else.
void RunProgramOrFail(const ChildProgram& program);

/// Where this very program stands.
std::string ThisProgram();

/// The file of that name in this program's folder.
std::string BesideThisProgram(const std::string& name);

/// The first executable file of that name in the folders of PATH; "" when there is none.
std::string FindInPath(const std::string& name);

}  // namespace dflop
