// Named distributions of samples. The list with defaults is `SampleGenerators` (traces/samples.hpp).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "traces/samples.hpp"

namespace dflop {

/// The generator of that name with its defaults; InputError naming the nearest one when there is none.
std::unique_ptr<SampleSource> MakeSampleGenerator(const std::string& name);

/// From a name string or {"name": …, parameters…}.
std::unique_ptr<SampleSource> ReadSampleGenerator(const JsonReader& json);

}  // namespace dflop
