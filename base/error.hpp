// The two ways to fail: bad input, which the user can mend, and a broken promise of our own code, which only we can.
#pragma once

#include <stdexcept>
#include <string>

namespace dflop {

/// Something the user gave is wrong. `main` prints `FILE:/json/pointer: what` and exits with 2.
class InputError : public std::runtime_error {
 public:
  /// `file` may be empty for a command-line mistake; `pointer` is a JSON pointer ("" is the whole document).
  InputError(std::string file, std::string pointer, const std::string& what);
  /// A mistake outside any file, e.g. in a flag.
  explicit InputError(const std::string& what) : InputError("", "", what) {}

  const std::string& file() const { return file_; }
  const std::string& pointer() const { return pointer_; }

 private:
  std::string file_;
  std::string pointer_;
};

/// The work itself failed (a full disk, a dead worker): exit 1.
class RunError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line, const std::string& what);

}  // namespace dflop

/// A promise that our own code makes; stays on in release builds and aborts with the place and the reason.
#define DFLOP_CHECK(condition, what) \
  ((condition) ? static_cast<void>(0) : ::dflop::CheckFailed(#condition, __FILE__, __LINE__, what))
