// How DFLOP's release (github.com/BDAI-Research/DFLOP at 60e86d8) names the models that it knows, in its configuration
// and in the names of its files.
#pragma once

#include <string>

#include "models/model_spec.hpp"
#include "traces/release_profile.hpp"

namespace dflop {

/// A built-in's names are the release's: its siglip 6b is our siglip-2.4b, its internvit 6b our internvit-3.7b. What
/// the release does not know keeps its own name, of size "own". M is internvl where the first encoder tiles as InternVL
/// does, else llavaov; without an encoder `encoder` is "".
ReleaseNames ReleaseNamesOf(const ModelSpec& model);

/// "" unless the release calls another stack by that name than this one: "has 40 layers of width 2304".
std::string WhyAnother(const std::string& family, const std::string& size, const TransformerShape& shape);

}  // namespace dflop
