// Named distributions of samples. The list with defaults is `SampleGenerators` (traces/samples.hpp).
#pragma once

#include <memory>

#include "traces/samples.hpp"

namespace dflop {

/// From a name string or {"name": …, parameters…}; InputError naming the nearest one when there is none of that name.
std::unique_ptr<SampleSource> ReadSampleGenerator(const JsonReader& json);

}  // namespace dflop
