// nccl-tests: text logs in old and new layouts, and its JSON.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <sstream>

#include "base/error.hpp"
#include "traces/network_rows.hpp"

namespace dflop {
namespace {

[[noreturn]] void FailAt(const std::string& path, std::size_t line, const std::string& what) {
  throw InputError(path + ":" + std::to_string(line) + ": " + what);
}

std::vector<std::string> Words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(std::move(word));
  return words;
}

/// The word behind `name`, as a number; 0 when there is none.
int NumberBehind(const std::vector<std::string>& words, const std::string& name) {
  const auto found = std::find(words.begin(), words.end(), name);
  return found == words.end() || found + 1 == words.end() ? 0 : std::atoi((found + 1)->c_str());
}

/// What a log says of itself in its comments.
struct LogHeader {
  std::string op;
  std::string software;
  int rank_lines = 0;
  int threads = 1;
  int gpus = 1;
  std::set<std::string> hosts;

  void Read(const std::string& line) {
    const std::vector<std::string> words = Words(line);
    if (line.find("nThread") != std::string::npos && line.find("nGpus") != std::string::npos) {
      threads = std::max(1, NumberBehind(words, "nThread"));
      gpus = std::max(1, NumberBehind(words, "nGpus"));
    }
    const std::size_t test = line.find("test starting:");
    if (test != std::string::npos) op = CollectiveNameOf(line.substr(test + 14));
    if (words.size() > 2 && words[1] == "Rank") {
      ++rank_lines;
      const auto on = std::find(words.begin(), words.end(), "on");
      if (on != words.end() && on + 1 != words.end()) hosts.insert(*(on + 1));
    }
    const std::size_t version = line.find("nccl-library");
    if (version != std::string::npos) software = "NCCL of " + line.substr(version);
  }
  int ranks() const { return std::max(rank_lines, threads * gpus); }
  int ranks_per_node() const {
    return hosts.size() < 2 ? ranks() : std::max(1, ranks() / static_cast<int>(hosts.size()));
  }
};

/// Positive and finite.
double Positive(const std::string& word, const std::string& path, std::size_t line, const char* what) {
  char* end = nullptr;
  const double value = std::strtod(word.c_str(), &end);
  if (end != word.c_str() + word.size() || !std::isfinite(value) || value <= 0) {
    FailAt(path, line, std::string(what) + " is \"" + word + "\", no positive number");
  }
  return value;
}

std::string OpOf(const std::string& said, const std::string& path, const NetworkImport& import) {
  if (!import.op.empty()) return import.op;
  if (!said.empty()) return said;
  const std::string name = CollectiveNameOf(path.substr(path.find_last_of('/') + 1));
  if (name.empty()) throw InputError(path + ": does not say which collective it measured; say it with --op");
  return name;
}

/// size, count, type, then redop and root or neither, then time, algbw, busbw and errors, out of place and in place.
CollectiveRow ReadRow(const std::vector<std::string>& words, const std::string& path, std::size_t line) {
  if (words.size() < 11 || words.size() > 13) {
    FailAt(path, line, "has " + std::to_string(words.size()) + " columns; a row of nccl-tests has 11 to 13");
  }
  CollectiveRow row;
  row.bytes = Positive(words[0], path, line, "the size");
  row.dtype = words[2];
  const std::size_t time = words.size() - 8;
  const bool in_place = words[time] == "N/A";
  const std::size_t chosen = in_place ? time + 4 : time;
  const std::string& errors = words[chosen + 3];
  if (errors != "0" && errors != "N/A") FailAt(path, line, "nccl-tests found " + errors + " wrong values in this row");
  row.seconds = Positive(words[chosen], path, line, "the time") * 1e-6;
  return row;
}

}  // namespace

NetworkTrace ReadNcclLog(std::string_view text, const std::string& path, const NetworkImport& import) {
  NetworkTrace trace;
  trace.source = "nccl-tests: " + path;
  LogHeader header;
  std::istringstream in{std::string(text)};
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string::npos) continue;
    if (line[begin] == '#') {
      header.Read(line);
    } else if (std::isdigit(static_cast<unsigned char>(line[begin])) != 0) {
      const std::vector<std::string> words = Words(line);
      if (words[0] == "0") continue;  // nothing was moved
      trace.rows.push_back(ReadRow(words, path, number));
    }  // what launchers and NCCL_DEBUG print between
  }
  if (trace.rows.empty()) throw InputError(path + ": holds no row of nccl-tests");
  if (header.ranks() < 2) throw InputError(path + ": names fewer than two ranks in its header");
  const std::string op = OpOf(header.op, path, import);
  for (CollectiveRow& row : trace.rows) {
    row.op = op;
    row.ranks = header.ranks();
    row.ranks_per_node = import.ranks_per_node > 0 ? import.ranks_per_node : header.ranks_per_node();
  }
  trace.software = header.software;
  FinishRows(trace.rows);
  return trace;
}

NetworkTrace ReadNcclJson(const JsonReader& json, const NetworkImport& import) {
  NetworkTrace trace;
  trace.source = "nccl-tests: " + json.file();
  if (const auto version = json.Find("nccl_version")) {
    trace.software = "NCCL " + (version->IsString() ? version->String() : version->json().Dump());
  }
  std::set<std::string> hosts;
  const std::vector<JsonReader> devices = json.At("devices").Elements();
  for (const JsonReader& device : devices) {
    for (const char* key : {"hostname", "host"}) {
      if (device.Has(key)) hosts.insert(device.At(key).String());
    }
  }
  const auto ranks = static_cast<int>(devices.size());
  if (ranks < 2) json.At("devices").Fail("names fewer than two ranks");
  std::string said;
  for (const char* key : {"test_name", "collective", "test"}) {
    if (said.empty() && json.Has(key)) said = CollectiveNameOf(json.At(key).String());
  }
  const std::string op = OpOf(said, json.file(), import);
  for (const JsonReader& result : json.At("results").Elements()) {
    const JsonReader timed = result.At("out_of_place");
    if (timed.Has("nwrong") && timed.At("nwrong").json().is_number() && timed.At("nwrong").Number(0, 1e18) > 0) {
      timed.At("nwrong").Fail("says that values arrived wrong");
    }
    const double bytes = result.At("size").Number(0, 1e15);
    if (bytes <= 0) continue;
    CollectiveRow& row = trace.rows.emplace_back();
    row.op = op;
    row.ranks = ranks;
    const int per_node = hosts.size() < 2 ? ranks : std::max(1, ranks / static_cast<int>(hosts.size()));
    row.ranks_per_node = import.ranks_per_node > 0 ? import.ranks_per_node : per_node;
    row.bytes = bytes;
    row.seconds = timed.At("time").Number(1e-3, 1e12) * 1e-6;
    row.dtype = result.StringOr("type", "");
  }
  if (trace.rows.empty()) json.At("results").Fail("holds no row");
  FinishRows(trace.rows);
  return trace;
}

}  // namespace dflop
