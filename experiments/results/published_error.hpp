// How far off predictions of this kind were: a software preset on a GPU, held against published runs.
#pragma once

#include <optional>
#include <string>

#include "base/json_reader.hpp"

namespace dflop {

/// "9 % mean error over 41 published runs of dense models under megatron-core on h100-sxm, 8–512 GPUs", or that there
/// is none of the kind. Figures are those of models/data/published_errors.json, which `dflop published compare` makes.
/// `assumptions`: those of a scenario in a result.
std::string PublishedErrorInWords(const JsonReader& assumptions);

/// The mean error alone, as a fraction; nothing where there is no published run of the kind.
std::optional<double> PublishedError(const JsonReader& assumptions);

}  // namespace dflop
