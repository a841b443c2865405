// Tables of published runs into experiment files, one per source and class, with what was measured beside them.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "experiments/published_runs/published_scenario.hpp"

namespace dflop {

/// How the rows of one source fared.
struct SourceCount {
  std::size_t rows = 0;
  std::map<std::string, std::size_t> imported;  ///< by file
  std::map<std::string, std::size_t> left_out;  ///< by reason
};

/// A row that is no scenario, and why.
struct LeftOutRow {
  std::string table;
  std::size_t line = 0;
  std::string source, reason, detail;
};

struct RunImport {
  std::map<std::string, Json> files;  ///< experiments by name, without ".json"
  std::vector<MeasuredRun> measured;  ///< in the order of the tables
  std::vector<LeftOutRow> left_out;   ///< likewise
  std::map<std::string, SourceCount> sources;
};

/// Reads all tables; equal names of one file are told apart by " #2", " #3", …
RunImport ImportRuns(const std::vector<std::string>& paths);

/// Writes FILE.json, measured.csv and left-out.csv into a folder, each whole or not at all.
void WriteRuns(const RunImport& import, const std::string& folder);

/// A line per source and reason.
std::string CountsText(const RunImport& import);

}  // namespace dflop
