// The child leaves by _exit: no destructor of the parent's objects, nor its exit handlers, may run twice.
#include "base/child_process.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "base/error.hpp"

namespace dflop {
namespace {

[[noreturn]] void FailWithErrno(const std::string& what) { throw RunError(what + ": " + std::strerror(errno)); }

[[noreturn]] void WorkAndLeave(const char* who, const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", who, error.what());
    std::fflush(stderr);
    _exit(1);
  }
  _exit(0);
}

}  // namespace

SharedMemory::SharedMemory(std::size_t bytes)
    : bytes_(std::max<std::size_t>(bytes, 1)),  // mmap refuses 0
      data_(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
  if (data_ == MAP_FAILED) FailWithErrno("no shared memory of " + std::to_string(bytes_) + " bytes");
}

SharedMemory::~SharedMemory() { munmap(data_, bytes_); }

void RunInChild(const char* who, const std::function<void()>& work) {
  const std::string name(who);
  std::fflush(nullptr);  // a library that flushes in the child would print once more what waits in our buffers
  const pid_t child = fork();
  if (child < 0) FailWithErrno(name + " cannot start a process");
  if (child == 0) WorkAndLeave(who, work);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) FailWithErrno(name + " lost its process");
  }
  if (WIFSIGNALED(status)) throw RunError(name + " died of signal " + std::to_string(WTERMSIG(status)));
  if (WEXITSTATUS(status) != 0) throw RunError(name + " failed, its complaint stands above");
}

}  // namespace dflop
