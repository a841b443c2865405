// Where the bytes of a step went: over which class of links, for what, and which links carried most.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "models/network/route.hpp"
#include "sim/plan/job.hpp"
#include "sim/step/step.hpp"

namespace dflop {

/// What a message is for.
enum class TrafficKind { kEncoderLlm, kStage, kGradients, kParameters };

struct LinkTraffic {
  std::string name;  ///< "NIC 3 out", "leaf 0, up 2"
  BytesPerSecond rate{0};
  Bytes bytes{0};
  Seconds busy() const { return bytes / rate; }  ///< at its full rate
};

/// Of the messages and collectives that an engine sees; those of tensor parallelism, inside operations, are not among
/// them. A message counts once on every class of links that it passes.
struct StepTraffic {
  /// [class of links][kind of message]
  std::array<std::array<Bytes, 4>, 4> bytes{};
  std::vector<LinkTraffic> busiest;  ///< by time at full rate, at most five; one of those that are alike
};

StepTraffic TrafficOf(const Job& job, const Step& step);

/// {by_link: [{link, kind, bytes}…], busiest_links: [{link, bytes, bytes_per_s, busy_s}…]}
Json ToJson(const StepTraffic& traffic);

}  // namespace dflop
