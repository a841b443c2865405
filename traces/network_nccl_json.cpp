// What nccl-tests writes with -J: one entry of "devices" a process, each with threads × GPUs ranks.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "traces/network_rows.hpp"

namespace dflop {
namespace {

struct Placement {
  int ranks = 0;
  int per_node = 0;
};

/// Since 2.17 devices stand inside "config".
JsonReader Devices(const JsonReader& json) {
  const std::optional<JsonReader> config = json.Find("config");
  return config && config->Has("devices") ? config->At("devices") : json.At("devices");
}

Placement ReadPlacement(const JsonReader& json, const NetworkImport& import) {
  int of_process = 1;
  if (const auto config = json.Find("config")) {
    of_process = static_cast<int>(config->IntOr("nthreads", 1, 1, 1024) * config->IntOr("ngpus", 1, 1, 1024));
  }
  const JsonReader devices = Devices(json);
  std::map<std::string, int> hosts;
  std::optional<std::int64_t> group;
  for (const JsonReader& device : devices.Elements()) {
    hosts[device.StringOr("hostname", "")] += of_process;
    const std::int64_t of_device = device.IntOr("group", 0, -1000000000, 1000000000);
    if (of_device != group.value_or(of_device)) device.At("group").Fail("is not the only group: several ran at once");
    group = of_device;
  }
  Placement placement;
  for (const auto& [host, ranks] : hosts) {
    placement.ranks += ranks;
    placement.per_node = std::max(placement.per_node, ranks);
  }
  if (placement.ranks < 2) devices.Fail("names fewer than two ranks");
  if (import.ranks_per_node > 0) placement.per_node = std::min(import.ranks_per_node, placement.ranks);
  return placement;
}

/// By the program that ran; "" where that is not said, InputError where it is no collective that we know.
std::string CollectiveOfProgram(const JsonReader& json) {
  const auto args = json.Find("args");
  if (!args) return "";
  for (const JsonReader& word : args->Elements()) {
    if (!word.IsString() || word.json().as<std::string>().find("_perf") == std::string::npos) continue;
    const std::string program = FileNameOf(word.String());
    std::string op = CollectiveNameOf(program);
    if (op.empty()) word.Fail("is a test of no collective that is known: " + JsonQuote(program));
    return op;
  }
  return "";
}

bool Given(const JsonReader& result, const char* key) {
  const auto part = result.Find(key);
  return part && part->IsObject();
}

double SecondsOf(const JsonReader& result) {
  const JsonReader timed =
      result.At(Given(result, "out_of_place") || !Given(result, "in_place") ? "out_of_place" : "in_place");
  if (timed.Has("nwrong") && !timed.At("nwrong").json().is_null() && timed.At("nwrong").Number(0, 1e18) > 0) {
    timed.At("nwrong").Fail("says that values arrived wrong");
  }
  const JsonReader time = timed.At(timed.Has("cpu_time") ? "cpu_time" : "time");
  return time.Number(kLeastCollectiveSeconds * 1e6, kMostCollectiveSeconds * 1e6) * 1e-6;
}

std::string VersionOf(const JsonReader& json) {
  const auto version = json.Find("nccl_version");
  if (!version) return "";
  return version->IsString() ? "NCCL " + version->String() : NcclVersionText(version->Int(1, 10000000));
}

}  // namespace

NetworkTrace ReadNcclJson(const JsonReader& json, const NetworkImport& import) {
  NetworkTrace trace;
  trace.source = "nccl-tests: " + FileNameOf(json.file());
  trace.software = VersionOf(json);
  const Placement placement = ReadPlacement(json, import);
  const std::string said = CollectiveOfProgram(json);
  const std::string op = said.empty() ? CollectiveOfFile(json.file(), import) : said;
  if (const auto errors = json.Find("out_of_bounds"); errors && errors->At("count").Int(0, 1000000000) > 0) {
    errors->At("count").Fail("says that values arrived wrong");
  }
  for (const JsonReader& result : json.At("results").Elements()) {
    const double bytes = result.At("size").Number(0, kMostCollectiveBytes);
    if (bytes <= 0) continue;  // nothing was sent
    trace.rows.push_back(
        {op, placement.ranks, placement.per_node, bytes, SecondsOf(result), result.StringOr("type", "")});
  }
  if (trace.rows.empty()) json.At("results").Fail("holds no row");
  return trace;
}

}  // namespace dflop
