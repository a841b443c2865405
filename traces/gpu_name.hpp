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

/// nullopt where no word of the name is a GPU that is known here, as in "meta-llama" or "AMD EPYC, one core".
std::optional<GpuName> ParseGpuName(const std::string& name);

/// Whether two names may mean the same device: the same chip and nothing that contradicts. Where either is no known GPU
/// they must be equal but for case and punctuation.
bool MayBeSameDevice(const std::string& a, const std::string& b);

/// The innermost folder or file name of a path that names a known GPU, as it is written there; "" when none does.
std::string GpuOfPath(const std::string& path);

}  // namespace dflop
