// Which GPU a name means: tables, drivers and folders spell the same one in many ways ("NVIDIA A100-SXM4-80GB",
// "a100_sxm", "a100"), and costs of one GPU must never price another unnoticed.
#pragma once

#include <optional>
#include <string>

namespace dflop {

/// What a name says. Empty or 0 where it is silent: "a100" is any A100.
struct GpuName {
  std::string chip;    ///< "a100", "gb200"
  std::string form;    ///< "sxm", "pcie", "nvl"
  std::string memory;  ///< kind: "hbm2e"
  int memory_gb = 0;
  int watts = 0;
};

/// nullopt for what is not the name of one GPU that is known here and nothing else, as "meta-llama", "AMD EPYC, one
/// core" or "llama-h100-7b".
std::optional<GpuName> ParseGpuName(const std::string& name);

/// Whether two names may mean the same device: the same chip and nothing that contradicts. Where either is no known GPU
/// they must be equal but for case and punctuation.
bool MayBeSameDevice(const std::string& a, const std::string& b);

/// The same, and whether a name that states a memory can mean a GPU with that much.
bool MayBeDevice(const std::string& name, const std::string& gpu, double memory_bytes);

/// The innermost folder or file name of a path that names a known GPU, as it is written there; "" when none does.
/// InputError when two of them contradict each other.
std::string GpuOfPath(const std::string& path);

}  // namespace dflop
