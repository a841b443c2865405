// In what the inputs of two results differ, so that a reader knows what a difference of their figures may come from.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json_reader.hpp"

namespace dflop {

struct InputDifference {
  std::string kind;                 ///< "experiment", "assumptions", "inputs" (hashes of files) or "provenance"
  std::string key;                  ///< "engine", "/cluster/nodes", a file's name, "git_commit"
  std::vector<std::string> places;  ///< of assumptions: scenarios and points that they hold for, as A names them
  std::optional<Json> a;            ///< nullopt where A does not have it
  std::optional<Json> b;
};

/// A scenario at a point of its sweep, of either result, as one word that is equal where the two are compared.
using PlaceKey = std::function<std::string(const std::string& scenario, const std::string& point)>;

/// Between two dflop/result/1 documents: keys of the experiment, the assumptions of every place that both have, leaf
/// by leaf, hashes of input files (a file that only moved is no difference), and the program that made them. The
/// command and the date of a run are not compared.
std::vector<InputDifference> FindInputDifferences(const JsonReader& a, const JsonReader& b, const PlaceKey& key_in_a,
                                                  const PlaceKey& key_in_b);

}  // namespace dflop
