// A program as scripts see it: what a shell starts in an empty folder, its exit code and what it says.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "base/file.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
};

inline bool Says(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

class ProgramTest : public testing::Test {
 protected:
  /// Runs in the test's folder.
  Outcome Shell(const std::string& command) {
    const std::string line =
        "cd '" + folder_.path() + "' && " + command + " >'" + streams_ / "out" + "' 2>'" + streams_ / "err" + "'";
    const int status = std::system(line.c_str());
    return {WEXITSTATUS(status), ReadFile(streams_ / "out"), ReadFile(streams_ / "err")};
  }

  TemporaryFolder folder_;
  TemporaryFolder streams_;
};

}  // namespace dflop
