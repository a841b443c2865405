// Conversions that every importer of samples shares.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "traces/sample_record.hpp"
#include "traces/samples.hpp"

namespace dflop {

inline int TokensOfWords(double words) { return static_cast<int>(std::lround(words * kTokensPerWord)); }

/// One frame per second, between 1 and 32: LLaVA-OneVision's sampling, as DFLOP uses it.
inline int SampledFrames(double clip_s) { return static_cast<int>(std::clamp(std::ceil(clip_s), 1.0, 32.0)); }

inline void RequirePaths(const std::vector<std::string>& paths) {
  if (paths.empty()) throw InputError("a file to import is wanted");
}

/// Notes a file that went into the set.
inline void AddOrigin(const std::filesystem::path& path, SampleSet& set) {
  set.name += set.name.empty() ? "" : "+";
  set.name += path.stem().string();
  set.source += set.source.empty() ? "imported from " : ", ";
  set.source += path.filename().string();
}

}  // namespace dflop
