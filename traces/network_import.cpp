// Which reader a file of measured collectives wants is told by how it begins.
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/file_format.hpp"
#include "traces/network_rows.hpp"

namespace dflop {
namespace {

/// By what every version prints first, or else by a first line that is no header of a table. The command line before it
/// may hold commas.
bool IsLog(std::string_view text, std::size_t begin) {
  for (const char* words : {"# Using devices", "# nThread "}) {
    if (text.find(words) != std::string_view::npos) return true;
  }
  return text[begin] == '#' || text.substr(begin, text.find('\n', begin) - begin).find(',') == std::string_view::npos;
}

/// What is asked for without effect would deceive.
void RefuseChoices(const std::string& path, const NetworkImport& import) {
  if (!import.system.empty() || !import.version.empty()) {
    throw InputError(path, "", "is no table of several systems: --system and --nccl-version choose nothing");
  }
}

NetworkTrace ReadJson(std::string_view text, const std::string& path, const NetworkImport& import) {
  RefuseChoices(path, import);
  const Json json = ParseJson(text, path);
  const JsonReader reader(json, path);
  if (!reader.Has("schema")) return ReadNcclJson(reader, import);
  if (import.ranks_per_node > 0) throw InputError(path, "", "itself says how many ranks a node has");
  return ReadNetworkTrace(reader);
}

NetworkTrace ReadAny(const std::string& path, const NetworkImport& import) {
  const std::string file = ReadFile(path);
  RefuseForeignFormats(file, path);
  const std::string_view text = WithoutByteOrderMark(file);
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) throw InputError(path, "", "is empty");
  if (text[begin] == '{') return ReadJson(text, path, import);
  if (!IsLog(text, begin)) return ReadCollectiveTable(text, path, import);
  RefuseChoices(path, import);
  return ReadNcclLog(text, path, import);
}

/// Leaves the rows of one value; InputError listing the values where that is none of them.
void Keep(NetworkTrace& trace, const std::string& path, std::string CollectiveRow::*field, const std::string& wanted) {
  if (wanted.empty()) return;
  std::set<std::string> values;
  for (const CollectiveRow& row : trace.rows) values.insert(row.*field);
  if (!values.contains(wanted)) {
    throw InputError(path, "", "holds no row of " + wanted + ", it has: " + JoinNames({values.begin(), values.end()}));
  }
  std::erase_if(trace.rows, [&](const CollectiveRow& row) { return row.*field != wanted; });
}

}  // namespace

NetworkTrace ReadMeasuredCollectives(const std::string& path, const NetworkImport& import) {
  NetworkTrace trace = ReadAny(path, import);
  Keep(trace, path, &CollectiveRow::op, import.op);
  Keep(trace, path, &CollectiveRow::dtype, import.dtype);
  FinishRows(trace.rows);
  return trace;
}

}  // namespace dflop
