// Where runs of one policy differ, the last that names a stand-in counts.
#include "experiments/results/shown_name.hpp"

namespace dflop {

std::string ShownName(const std::string& policy, const std::string& instead) {
  return policy + (instead.empty() ? "" : " (" + instead + " instead)");
}

void AddInstead(const JsonReader& run, std::string& instead) {
  if (run.Has("batching_instead")) instead = run.At("batching_instead").String();
}

}  // namespace dflop
