// Where the encoders' hub is what a policy waits for, the table says so and names the switch.
#pragma once

#include <string>
#include <vector>

#include "base/json_reader.hpp"

namespace dflop {

/// Whether in this run of dflop/result/1 the encoders reach the LLM through one rank.
bool GoesThroughHub(const JsonReader& run);

/// "" or a line for below a table: who waits for its hub, and for how much of the step.
class HubNote {
 public:
  /// `share`: of all device time of the step, idle because of messages between encoders and LLM.
  void Add(const std::string& policy, bool through_hub, double share);
  std::string Text() const;

 private:
  std::vector<std::string> waiting_;
};

}  // namespace dflop
