// Messages are cut to what a pipe's buffer holds: a worker never waits for its reader. Workers die with their parent.
#include "experiments/run/process_pool.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <map>
#include <string_view>

#include "base/error.hpp"

namespace dflop {
namespace {

constexpr int kBadInput = 2;
constexpr int kFailed = 1;

struct Worker {
  std::size_t task = 0;
  int message_pipe = -1;
};

void WriteAll(int pipe, std::string_view text) {
  text = text.substr(0, 60'000);  // fits the pipe's buffer, so that the worker never waits for a reader
  while (!text.empty()) {
    const ssize_t written = write(pipe, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string ReadAll(int pipe) {
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t size; (size = read(pipe, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return text;
}

[[noreturn]] void RunWorker(const PoolTasks& tasks, std::size_t task, int message_pipe, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);         // never outlive a killed run
  if (getppid() != parent) _exit(kFailed);  // it died before that
  int code = 0;
  try {
    tasks.work(task);
  } catch (const InputError& error) {
    WriteAll(message_pipe, error.what());
    code = kBadInput;
  } catch (const std::exception& error) {
    WriteAll(message_pipe, error.what());
    code = kFailed;
  }
  _exit(code);  // no destructors: the buffers of the parent's streams were copied along
}

class Pool {
 public:
  explicit Pool(const PoolTasks& tasks) : tasks_(tasks) {}
  ~Pool() {
    for (const auto& [pid, worker] : workers_) kill(pid, SIGKILL);
    for (const auto& [pid, worker] : workers_) {
      waitpid(pid, nullptr, 0);
      close(worker.message_pipe);
    }
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  std::size_t running() const { return workers_.size(); }
  bool failed() const { return failure_ != nullptr; }

  void Start(std::size_t task) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) throw RunError(std::string("no pipe to a worker: ") + std::strerror(errno));
    std::fflush(nullptr);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
      close(ends[0]);
      RunWorker(tasks_, task, ends[1], parent);
    }
    close(ends[1]);
    if (pid < 0) {
      close(ends[0]);
      throw RunError(std::string("no worker process: ") + std::strerror(errno));
    }
    workers_[pid] = {task, ends[0]};
  }

  void AwaitOne() {
    int status = 0;
    const pid_t pid = wait(&status);
    if (pid < 0 && errno != EINTR) throw RunError(std::string("lost the workers: ") + std::strerror(errno));
    const auto found = workers_.find(pid);
    if (found == workers_.end()) return;
    const Worker worker = found->second;
    workers_.erase(found);
    const std::string message = ReadAll(worker.message_pipe);
    close(worker.message_pipe);
    try {
      Judge(worker.task, status, message);
      tasks_.done(worker.task);
    } catch (const std::runtime_error&) {
      if (worker.task < failed_task_) failure_ = std::current_exception(), failed_task_ = worker.task;
    }
    ThrowFailure();
  }

 private:
  // The failure of the first task that fails in their order: which one ended first is chance.
  void ThrowFailure() const {
    const bool earlier_runs = std::any_of(workers_.begin(), workers_.end(),
                                          [this](const auto& entry) { return entry.second.task < failed_task_; });
    if (failure_ && !earlier_runs) std::rethrow_exception(failure_);
  }

  void Judge(std::size_t task, int status, const std::string& message) const {
    const std::string name = tasks_.name(task);
    if (WIFSIGNALED(status)) {
      throw RunError(name + ": its worker was ended by signal " + std::to_string(WTERMSIG(status)) + " (" +
                     strsignal(WTERMSIG(status)) + ")");
    }
    if (WEXITSTATUS(status) == kBadInput) throw InputError(message);
    if (WEXITSTATUS(status) != 0) throw RunError(name + ": " + message);
  }

  const PoolTasks& tasks_;
  std::map<pid_t, Worker> workers_;
  std::exception_ptr failure_;
  std::size_t failed_task_ = std::numeric_limits<std::size_t>::max();
};

}  // namespace

void RunInProcesses(const PoolTasks& tasks, int jobs) {
  Pool pool(tasks);
  for (std::size_t next = 0; next < tasks.count || pool.running() > 0;) {
    if (next < tasks.count && !pool.failed() && pool.running() < static_cast<std::size_t>(jobs)) {
      pool.Start(next++);
    } else {
      pool.AwaitOne();
    }
  }
}

}  // namespace dflop
