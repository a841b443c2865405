// Shard groups are neighbours among the copies, so that they fill nodes before they cross them.
#include "models/sharding.hpp"

#include <algorithm>

namespace dflop {
namespace {

bool Divides(int group, int copies, int each) {
  return copies % group == 0 && (group % each == 0 || each % group == 0);
}

/// "2 or 8": the sizes around `group` that divide.
std::string NearestGroups(int group, int copies, int each) {
  int below = std::min(group, copies);
  while (below > 1 && !Divides(below, copies, each)) --below;
  int above = group + 1;
  while (above <= copies && !Divides(above, copies, each)) ++above;
  return std::to_string(below) + (above <= copies ? " or " + std::to_string(above) : "");
}

}  // namespace

int ShardRanks(const SoftwareStack& software, Sharding level, int copies) {
  if (level == Sharding::kNone) return 1;
  return software.shard_group > 0 ? std::min(software.shard_group, copies) : copies;
}

std::string WhyShardGroup(const SoftwareStack& software, bool llm, int copies, int each) {
  const int group = software.shard_group;
  if (group == 0 || software.sharding_of(llm) == Sharding::kNone) return "";
  if (group <= copies && Divides(group, copies, each)) return "";
  return "shard_group " + std::to_string(group) + " does not divide the " + std::to_string(copies) +
         " ranks that hold the same layers; nearest that does: " + NearestGroups(group, copies, each);
}

std::vector<ModulePart> UnitsOf(const ModulePart& part, int wrapped_layers) {
  std::vector<ModulePart> units;
  for (int first = 0; first < part.layers || first == 0; first += wrapped_layers) {
    ModulePart unit = part;
    unit.first_layer = part.first_layer + first;
    unit.layers = std::min(wrapped_layers, part.layers - first);
    unit.has_input = part.has_input && first == 0;
    unit.has_output = part.has_output && first + unit.layers == part.layers;
    units.push_back(unit);
  }
  return units;
}

}  // namespace dflop
