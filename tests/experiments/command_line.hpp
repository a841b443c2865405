// The `dflop` program on a small experiment, as scripts see it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/file.hpp"
#include "base/json_reader.hpp"
#include "experiments/spec/sweep.hpp"
#include "test_paths.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/program_test.hpp"

namespace dflop {

class CommandLine : public ProgramTest {
 protected:
  /// Runs in the test's folder; `environment` is put before the program, as a shell does.
  Outcome Dflop(const std::string& arguments, const std::string& environment = "") {
    return Shell(environment + " " DFLOP_BINARY " " + arguments);
  }

  void Write(const Json& experiment) { WriteJsonFile(folder_ / "e.json", experiment); }
  Json Result(const std::string& name) { return ReadJsonFile(folder_ / (name + "/result.json")); }

  std::size_t FilesInFolder() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) ++count;
    return count;
  }

  std::string FirstPartial(const std::string& name) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / (name + "/partial"), error)) {
      const std::string file = entry.path().filename().string();
      if (file.size() == 32 + 5 && file.ends_with(".json")) return entry.path().string();  // no trace, no timeline
    }
    return "";
  }
};

inline Json Edited(const std::string& pointer, const std::string& value) {
  Json experiment = SmallExperiment();
  EXPECT_TRUE(WriteAt(experiment, pointer, ParseJson(value, "value")));
  return experiment;
}

/// The small model's shapes lie mostly beyond what was measured, which every run of it says first, in one line.
inline std::string WithoutCostWarning(const std::string& err) {
  EXPECT_TRUE(err.starts_with("warning: scenario \"tiny\": up to ")) << err;
  const std::size_t end = err.find('\n');
  EXPECT_NE(err.substr(0, end).find("is priced beyond the measured shapes"), std::string::npos) << err;
  return end == std::string::npos ? err : err.substr(end + 1);
}

}  // namespace dflop
