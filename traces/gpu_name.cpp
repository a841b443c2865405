// Word by word: one known chip, and beside it only what may stand in a GPU's name; any other word makes it no GPU.
#include "traces/gpu_name.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json_reader.hpp"

namespace dflop {
namespace {

constexpr std::array<std::string_view, 33> kChips = {
    "v100",  "t4",    "a10",   "a10g",   "a30",   "a40",    "a100",   "a800",   "a6000",  "l4",     "l20",
    "l40",   "l40s",  "h20",   "h100",   "h200",  "h800",   "gh200",  "b100",   "b200",   "b300",   "gb200",
    "gb300", "mi210", "mi250", "mi250x", "mi300", "mi300x", "mi325x", "mi350x", "mi355x", "gaudi2", "gaudi3"};

/// Letters and digits in lower case; whatever stands between them parts words.
std::vector<std::string> Words(const std::string& name) {
  std::vector<std::string> words;
  bool inside = false;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) == 0) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    inside = true;
    words.back() += static_cast<char>(std::tolower(byte));
  }
  return words;
}

bool IsChip(const std::string& word) { return std::find(kChips.begin(), kChips.end(), word) != kChips.end(); }

/// What stands beside the chip in a GPU's name and tells nothing apart here. Any other word makes it a name of
/// something else: a model, a machine, an organisation, a part of a GPU.
constexpr std::array<std::string_view, 21> kVendorWords = {
    "nvidia", "amd",      "intel",    "tesla",       "instinct", "gpu",       "geforce",
    "tensor", "core",     "graphics", "accelerator", "dgx",      "hgx",       "node",
    "pair",   "pairwise", "nvlink",   "nvswitch",    "oam",      "superchip", "grace"};

/// 80 of "80gb"; 0 of any other word.
int NumberBefore(const std::string& word, std::string_view unit) {
  if (!word.ends_with(unit) || word.size() == unit.size() || word.size() > unit.size() + 5) return 0;
  int number = 0;
  for (const char c : word.substr(0, word.size() - unit.size())) {
    if (c < '0' || c > '9') return 0;
    number = 10 * number + (c - '0');
  }
  return number;
}

/// Whether the word belongs into a GPU's name.
bool ReadWord(const std::string& word, GpuName& name) {
  if (IsChip(word)) {
    if (!name.chip.empty() && name.chip != word) return false;
    name.chip = word;
  } else if (word.starts_with("sxm")) {  // sxm4 and sxm5 follow from the chip
    name.form = "sxm";
  } else if (word.starts_with("pcie")) {
    name.form = "pcie";
  } else if (word == "nvl") {
    name.form = "nvl";
  } else if (word.starts_with("hbm")) {
    name.memory = word;
  } else if (const int gb = NumberBefore(word, "gb")) {
    name.memory_gb = gb;
  } else if (const int watts = NumberBefore(word, "w")) {
    name.watts = watts;
  } else {
    return std::find(kVendorWords.begin(), kVendorWords.end(), word) != kVendorWords.end();
  }
  return true;
}

template <typename T>
bool Agree(const T& a, const T& b) {
  return a == T() || b == T() || a == b;
}

}  // namespace

std::optional<GpuName> ParseGpuName(const std::string& name) {
  const std::vector<std::string> words = Words(name);
  GpuName gpu;
  const bool all = std::all_of(words.begin(), words.end(), [&](const auto& word) { return ReadWord(word, gpu); });
  return all && !gpu.chip.empty() ? std::optional(gpu) : std::nullopt;
}

bool MayBeSameDevice(const std::string& a, const std::string& b) {
  const std::optional<GpuName> first = ParseGpuName(a);
  const std::optional<GpuName> second = ParseGpuName(b);
  if (!first || !second) return Words(a) == Words(b);
  return first->chip == second->chip && Agree(first->form, second->form) && Agree(first->memory, second->memory) &&
         Agree(first->memory_gb, second->memory_gb) && Agree(first->watts, second->watts);
}

std::string GpuOfPath(const std::string& path) {
  const std::filesystem::path whole = std::filesystem::absolute(path).lexically_normal();
  std::vector<std::string> names;
  for (const std::filesystem::path& part : whole.parent_path()) names.push_back(part.string());
  names.push_back(whole.stem().string());
  std::string found;
  for (const std::string& name : names) {
    if (!ParseGpuName(name)) continue;
    if (!found.empty() && !MayBeSameDevice(found, name)) {
      throw InputError(path, "", "names two GPUs on its way, " + JoinNames({found, name}));
    }
    found = name;
  }
  return found;
}

bool MayBeDevice(const std::string& name, const std::string& gpu, double memory_bytes) {
  constexpr double kGigabyte = 1e9;
  constexpr double kGibibyte = 1024.0 * 1024 * 1024;
  constexpr double kRounding = 0.06;  // marketing's gigabytes are either
  if (!MayBeSameDevice(name, gpu)) return false;
  const std::optional<GpuName> named = ParseGpuName(name);
  if (!named || named->memory_gb == 0) return true;
  return memory_bytes >= (1 - kRounding) * kGigabyte * named->memory_gb &&
         memory_bytes <= (1 + kRounding) * kGibibyte * named->memory_gb;
}

}  // namespace dflop
