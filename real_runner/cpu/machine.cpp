// Every file may be missing, as in containers: what is not told is assumed or left out.
#include "real_runner/cpu/machine.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace dflop::cpu {
namespace {

constexpr double kMemoryShare = 0.5;  // of what is available: others live here too

}  // namespace

std::string ProcValue(const char* path, const std::string& key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find(':');
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    if (colon != line.npos && begin != line.npos) return line.substr(begin);
  }
  return "";
}

std::string FirstLine(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

double NumberOrZero(const std::string& text) {
  double value = 0;
  std::istringstream(text) >> value;
  return value;
}

// From sysfs ("32768K").
double LastLevelCacheBytes() {
  constexpr double kAssumed = 32 * 1024 * 1024;  // where sysfs tells nothing, as in some containers
  double largest = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/devices/system/cpu/cpu0/cache", error)) {
    const std::string text = FirstLine(entry.path() / "size");
    const double unit = text.ends_with('K') ? 1024 : text.ends_with('M') ? 1024 * 1024 : 1;
    largest = std::max(largest, NumberOrZero(text) * unit);
  }
  return largest > 0 ? largest : kAssumed;
}

double AvailableBytes() {
  double bytes = 1024 * NumberOrZero(ProcValue("/proc/meminfo", "MemAvailable"));
  const double limit = NumberOrZero(FirstLine("/sys/fs/cgroup/memory.max"));
  const double used = NumberOrZero(FirstLine("/sys/fs/cgroup/memory.current"));
  if (limit > 0) bytes = std::min(bytes, std::max(0.0, limit - used));
  return kMemoryShare * bytes;
}

std::string Gigabytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f GB", bytes / 1e9);
  return text;
}

}  // namespace dflop::cpu
