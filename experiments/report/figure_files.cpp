// PDFs are made by rsvg-convert, a program of its own: it keeps text as text, and no report depends on it.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "experiments/report/page.hpp"
#include "experiments/report/report.hpp"
#include "experiments/results/result_figures.hpp"

extern char** environ;  // NOLINT: as POSIX has it

namespace dflop {
namespace {

/// Whether the program ran and was content.
bool RunsWell(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));  // NOLINT
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", 1, 0);
  pid_t process = 0;
  const int failed = posix_spawnp(&process, arguments.front(), &quiet, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&quiet);
  if (failed != 0) return false;
  int status = 0;
  return waitpid(process, &status, 0) == process && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

bool CanMakePdfs() { return RunsWell({"rsvg-convert", "--version"}); }

FigureFiles WriteFigures(const std::string& folder, const std::string& figures, bool pdf) {
  const ReportPage page = DrawPage(ReadReport(folder));
  const bool make_pdfs = pdf && CanMakePdfs();
  FigureFiles files;
  for (const NamedFigure& figure : page.figures) {
    const std::string path = figures + "/" + figure.name;
    WriteFile(path + ".svg", figure.svg.Standalone(FigureStyle()));
    ++files.figures;
    if (make_pdfs && RunsWell({"rsvg-convert", "-f", "pdf", "-o", path + ".pdf", path + ".svg"})) ++files.pdfs;
  }
  return files;
}

}  // namespace dflop
