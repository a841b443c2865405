// Sweep axes: JSON pointers into a scenario with the values to write there. Every combination is a point.
#pragma once

#include <string>
#include <vector>

#include "base/json_reader.hpp"

namespace dflop {

struct SweepAxis {
  std::string pointer;  ///< RFC 6901, e.g. "/cluster/nodes"
  std::vector<Json> values;
};

/// Reads {"/cluster/nodes": [1, 2], …}; axes and value lists must not be empty.
std::vector<SweepAxis> ReadSweep(const JsonReader& json);

/// One index per axis; the last axis runs fastest. No axes: one point without indices.
std::vector<std::vector<std::size_t>> SweepPoints(const std::vector<SweepAxis>& axes);

/// Writes a value to its place in a scenario; false when the place's parent is not there.
bool WriteAt(Json& scenario, const std::string& pointer, const Json& value);

}  // namespace dflop
