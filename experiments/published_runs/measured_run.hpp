// What was measured of an imported run, and what its scenario leaves open: a line of measured.csv.
#pragma once

#include <string>
#include <vector>

namespace dflop {

struct MeasuredRun {
  std::string file;      ///< the experiment's name, without folder and ".json"
  std::string scenario;  ///< in that file
  std::string source;    ///< as the table names it
  std::string stack;     ///< the preset; "" for the default one
  std::string kind;      ///< dense | experts | lora, in 16 bit; fp8 | fp8-experts | fp8-lora, in 8 or 4
  std::string proxy;     ///< what stands in for something else and why; "" = the scenario is exact
  std::string assumed;   ///< settings that the row leaves open, as taken
  std::string group;     ///< runs that differ in layout only share it; "" where there is none
  std::string gpu;       ///< as the table names it
  std::string device;    ///< as the program does
  int gpus = 1, tp = 1, pp = 1, dp = 1, cp = 1;
  double step_time_s = 0;
  double gpu_memory_bytes = 0;
  std::string table;  ///< the row's place
  std::size_t line = 0;
};

inline constexpr const char* kMeasuredFile = "measured.csv";

/// A cell for a comma-separated table: quoted where it holds a comma, a quote or a line break.
std::string CsvCell(const std::string& text);

std::string MeasuredCsv(const std::vector<MeasuredRun>& runs);

/// InputError with file and line for what is missing or no number.
std::vector<MeasuredRun> ReadMeasuredRuns(const std::string& path);

}  // namespace dflop
