// A row of a table of published runs as a scenario of an experiment, or why it is none.
#pragma once

#include <string>

#include "base/json.hpp"
#include "experiments/published_runs/measured_run.hpp"
#include "experiments/published_runs/published_row.hpp"

namespace dflop {

struct ImportedRow {
  std::string left_out;  ///< the reason, in words that rows of one kind share; "" when there is a scenario
  std::string detail;    ///< of this row: the setting, or what the program says
  Json scenario;
  MeasuredRun measured;  ///< its file and scenario named as if no other row were there
};

/// Every stated setting as stated, the rest as the preset; what the row leaves open is told in measured.proxy and
/// .assumed.
ImportedRow Import(const PublishedRow& row);

/// The file that a source's runs of a class go to: "llm-foundry", "dgxc-experts".
std::string FileOf(const std::string& source, const std::string& kind);

}  // namespace dflop
