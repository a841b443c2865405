// The readers of foreign tables of collectives, one per layout, for traces/network_import.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/csv.hpp"
#include "traces/network_trace.hpp"

namespace dflop {

/// Sorts by operation, ranks and bytes; of rows that differ in their times alone the median stays.
void FinishRows(std::vector<CollectiveRow>& rows);

/// A text log. InputError with the line of what is wrong, also of a row that nccl-tests itself found wrong data in.
NetworkTrace ReadNcclLog(std::string_view text, const std::string& path, const NetworkImport& import);
/// What nccl-tests writes with -J.
NetworkTrace ReadNcclJson(const JsonReader& json, const NetworkImport& import);

}  // namespace dflop
