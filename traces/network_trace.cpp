// The format of our own, and what all readers share: names, order, repeats.
#include "traces/network_trace.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "traces/network_rows.hpp"

namespace dflop {
namespace {

const std::vector<std::string> kOps = {"all-reduce", "all-gather", "reduce-scatter", "all-to-all", "send", "broadcast"};

}  // namespace

std::string CollectiveNameOf(std::string_view foreign) {
  std::string letters;
  for (const char c : foreign) {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  constexpr std::array<std::pair<const char*, std::size_t>, 7> kNames = {{{"allreduce", 0},
                                                                          {"allgather", 1},
                                                                          {"reducescatter", 2},
                                                                          {"alltoall", 3},
                                                                          {"sendrecv", 4},
                                                                          {"send", 4},
                                                                          {"broadcast", 5}}};
  for (const auto& [name, op] : kNames) {
    if (letters.find(name) != std::string::npos) return kOps[op];
  }
  return "";
}

void FinishRows(std::vector<CollectiveRow>& rows) {
  const auto key = [](const CollectiveRow& row) {
    return std::tie(row.op, row.ranks, row.ranks_per_node, row.dtype, row.bytes);
  };
  std::stable_sort(rows.begin(), rows.end(), [&](const CollectiveRow& a, const CollectiveRow& b) {
    return key(a) < key(b) || (key(a) == key(b) && a.seconds < b.seconds);
  });
  std::vector<CollectiveRow> medians;
  for (std::size_t i = 0; i < rows.size();) {
    std::size_t end = i;
    while (end < rows.size() && key(rows[end]) == key(rows[i])) ++end;
    medians.push_back(rows[i + (end - i - 1) / 2]);
    i = end;
  }
  rows = std::move(medians);
}

std::string CollectiveOfFile(const std::string& path, const NetworkImport& import) {
  if (!import.op.empty()) return import.op;
  const std::string name = CollectiveNameOf(FileNameOf(path));
  if (name.empty()) throw InputError(path, "", "does not say which collective it measured: say it with --op");
  return name;
}

std::string FileNameOf(const std::string& path) { return std::filesystem::path(path).filename().string(); }

std::set<std::string> DtypesOf(const NetworkTrace& trace) {
  std::set<std::string> dtypes;
  for (const CollectiveRow& row : trace.rows) {
    if (!row.dtype.empty()) dtypes.insert(row.dtype);
  }
  return dtypes;
}

double BusFactor(const std::string& op, int ranks) {
  if (op == "send" || op == "broadcast") return 1;
  return (op == "all-reduce" ? 2.0 : 1.0) * (ranks - 1) / ranks;
}

std::string NcclVersionText(long code) {
  const long major = code >= 10000 ? code / 10000 : code / 1000;
  const long rest = code >= 10000 ? code % 10000 : code % 1000;
  return "NCCL " + std::to_string(major) + "." + std::to_string(rest / 100) + "." + std::to_string(rest % 100);
}

NetworkTrace JoinNetworkTraces(const std::vector<NetworkTrace>& traces) {
  NetworkTrace all;
  const auto append = [](std::string& words, const std::string& word) {
    if (!word.empty() && ("; " + words + "; ").find("; " + word + "; ") == std::string::npos) {
      words += (words.empty() ? "" : "; ") + word;
    }
  };
  for (const NetworkTrace& trace : traces) {
    append(all.source, trace.source);
    append(all.software, trace.software);
    all.rows.insert(all.rows.end(), trace.rows.begin(), trace.rows.end());
  }
  FinishRows(all.rows);
  return all;
}

NetworkTrace ReadNetworkTrace(const JsonReader& json) {
  json.CheckSchema("dflop/network-trace/1", true);
  json.AllowOnly({"schema", "source", "software", "rows"});
  NetworkTrace trace;
  trace.source = json.At("source").String();
  trace.software = json.StringOr("software", "");
  for (const JsonReader& entry : json.At("rows").Elements()) {
    entry.AllowOnly({"op", "ranks", "ranks_per_node", "bytes", "seconds", "dtype"});
    CollectiveRow& row = trace.rows.emplace_back();
    row.op = entry.At("op").OneOf(kOps);
    row.ranks = static_cast<int>(entry.At("ranks").Int(2, kMostCollectiveRanks));
    row.ranks_per_node = static_cast<int>(entry.IntOr("ranks_per_node", row.ranks, 1, row.ranks));
    row.bytes = entry.At("bytes").Number(1, kMostCollectiveBytes);
    row.seconds = entry.At("seconds").Number(kLeastCollectiveSeconds, kMostCollectiveSeconds);
    row.dtype = entry.StringOr("dtype", "");
  }
  if (trace.rows.empty()) json.At("rows").Fail("is empty");
  FinishRows(trace.rows);
  return trace;
}

Json ToJson(const NetworkTrace& trace) {
  Json json;
  json["schema"] = "dflop/network-trace/1";
  json["source"] = trace.source;
  if (!trace.software.empty()) json["software"] = trace.software;
  json["rows"] = Json::EmptyArray();
  for (const CollectiveRow& row : trace.rows) {
    Json entry;
    entry["op"] = row.op;
    entry["ranks"] = row.ranks;
    entry["ranks_per_node"] = row.ranks_per_node;
    entry["bytes"] = row.bytes;
    entry["seconds"] = row.seconds;
    if (!row.dtype.empty()) entry["dtype"] = row.dtype;
    json["rows"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace dflop
