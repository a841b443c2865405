// The readers of foreign tables of collectives, one per layout, for traces/network_import.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json_reader.hpp"
#include "traces/network_trace.hpp"

namespace dflop {

inline constexpr int kMostCollectiveRanks = 131072;
inline constexpr double kMostCollectiveBytes = 1e15;
inline constexpr double kLeastCollectiveSeconds = 1e-9;
inline constexpr double kMostCollectiveSeconds = 1e6;

/// Sorts by operation, ranks and bytes; rows that differ in their times alone become one with the median, the lower of
/// two.
void FinishRows(std::vector<CollectiveRow>& rows);

/// A text log. InputError with the line of what is wrong, also of a row that nccl-tests itself found wrong data in.
NetworkTrace ReadNcclLog(std::string_view text, const std::string& path, const NetworkImport& import);
/// What nccl-tests writes with -J.
NetworkTrace ReadNcclJson(const JsonReader& json, const NetworkImport& import);
/// A CSV table, its layout told by its columns.
NetworkTrace ReadCollectiveTable(std::string_view text, const std::string& path, const NetworkImport& import);

/// The collective of a file that says none: the one asked for, else that of the file's name; InputError without both.
std::string CollectiveOfFile(const std::string& path, const NetworkImport& import);

/// The last part of a path: traces name the files that they were made of, not where those lay.
std::string FileNameOf(const std::string& path);

/// "NCCL 2.27.3" of 22703, and of 2708 "NCCL 2.7.8": NCCL's own coding, which changed with 2.9.
std::string NcclVersionText(long code);

}  // namespace dflop
