// The document dflop/result/1: what a run leaves behind for people, charts and regression checks.
#pragma once

#include <string>
#include <vector>

#include "experiments/spec/experiment.hpp"

namespace dflop {

/// Files that show one step of a scenario under a policy, relative to the result's folder.
struct Picture {
  std::string scenario;
  std::string policy;
  std::string trace;
  std::string timeline;
};

/// `runs` in the order of the table. Adds speedup_vs, the assumptions behind every scenario, the profiles of
/// its model (`model_profiles`, which no comparison looks at), and the provenance.
Json MakeResult(const Experiment& experiment, const Json& inputs, Json runs, const std::vector<Picture>& pictures,
                const std::string& command);

/// Reads DIR/result.json; InputError when it is missing or of another kind.
Json ReadResult(const std::string& folder);

}  // namespace dflop
