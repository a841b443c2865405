// What needs memory is laid out before the fork, after which nothing may be allocated; the child ends with its parent.
#include "base/child_program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string_view>

#include "base/error.hpp"

namespace dflop {
namespace {

constexpr int kNotStarted = 127;
constexpr int kBadInput = 2;

std::string CommandOf(const ChildProgram& program) {
  std::string text = std::filesystem::path(program.path).filename().string();
  for (const std::string& argument : program.arguments) {
    const bool plain = argument.find_first_of(" \t\n'\"$&|;<>()*?\\") == argument.npos && !argument.empty();
    text += plain ? " " + argument : " '" + argument + "'";
  }
  return text;
}

/// Texts as execve wants them: made before the fork, after which nothing may be allocated.
class PointerList {
 public:
  explicit PointerList(std::vector<std::string> texts) : texts_(std::move(texts)) {
    for (std::string& text : texts_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
  }
  char** data() { return pointers_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

PointerList ArgumentsOf(const ChildProgram& program) {
  std::vector<std::string> texts = {std::filesystem::path(program.path).filename().string()};
  texts.insert(texts.end(), program.arguments.begin(), program.arguments.end());
  return PointerList(std::move(texts));
}

PointerList EnvironmentOf(const ChildProgram& program) {
  std::vector<std::string> texts;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    bool replaced = false;
    for (const auto& [name, value] : program.environment) replaced |= text.starts_with(name + "=");
    if (!replaced) texts.emplace_back(text);
  }
  for (const auto& [name, value] : program.environment) texts.emplace_back(name + "=").append(value);
  return PointerList(std::move(texts));
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

File OpenLog(const ChildProgram& program) {
  const bool kept = !program.log.empty();
  File log(std::fopen(kept ? program.log.c_str() : "/dev/null", "ae"), std::fclose);
  if (!log) throw RunError((kept ? program.log : "/dev/null") + ": cannot be written: " + std::strerror(errno));
  std::fprintf(log.get(), "$ %s\n", CommandOf(program).c_str());
  std::fflush(log.get());
  return log;
}

[[noreturn]] void BecomeProgram(const ChildProgram& program, char** arguments, char** environment, int out, int err,
                                pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(kNotStarted);  // it ended before it could be watched
  if (chdir(program.folder.c_str()) == 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0) {
    execve(program.path.c_str(), arguments, environment);
  }
  const char* why = std::strerror(errno);
  if (write(err, why, std::strlen(why)) < 0) _exit(kNotStarted);
  _exit(kNotStarted);
}

std::string ContentOf(std::FILE* file) {
  std::string text;
  std::rewind(file);
  char block[4096];
  for (std::size_t size = 0; (size = std::fread(block, 1, sizeof block, file)) > 0;) text.append(block, size);
  return text;
}

std::string WithoutLastNewlines(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

ProgramOutcome RunProgram(const ChildProgram& program) {
  const File log = OpenLog(program);
  const File errors(std::tmpfile(), std::fclose);
  if (!errors) throw RunError(std::string("no temporary file: ") + std::strerror(errno));
  PointerList arguments = ArgumentsOf(program);
  PointerList environment = EnvironmentOf(program);
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) throw RunError(program.path + ": cannot be started: " + std::strerror(errno));
  if (child == 0) {
    BecomeProgram(program, arguments.data(), environment.data(), fileno(log.get()), fileno(errors.get()), parent);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ProgramOutcome outcome;
  outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  outcome.errors = WithoutLastNewlines(ContentOf(errors.get()));
  if (!outcome.errors.empty()) std::fprintf(log.get(), "%s\n", outcome.errors.c_str());
  return outcome;
}

void RunProgramOrFail(const ChildProgram& program) {
  const ProgramOutcome outcome = RunProgram(program);
  if (outcome.signal == 0 && outcome.code == 0) return;
  if (outcome.signal == 0 && outcome.code == kBadInput) throw InputError(outcome.errors);
  const std::string how = outcome.signal != 0 ? "was ended by signal " + std::to_string(outcome.signal)
                                              : "ended with exit code " + std::to_string(outcome.code);
  throw RunError(CommandOf(program) + "\n" + how + (outcome.errors.empty() ? "" : ":\n" + outcome.errors));
}

std::string ThisProgram() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

std::string BesideThisProgram(const std::string& name) {
  return std::filesystem::path(ThisProgram()).replace_filename(name).string();
}

std::string FindInPath(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    std::error_code error;
    if (std::filesystem::is_regular_file(candidate, error) && access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

}  // namespace dflop
