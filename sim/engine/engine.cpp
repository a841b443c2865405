// Engines by name; which of them there are depends on the build.
#include "sim/engine/engine.hpp"

#include "base/error.hpp"
#include "base/json_reader.hpp"
#include "models/cluster_spec.hpp"

namespace dflop {

std::vector<std::string> EngineNames() {
  if (HasSimGridEngine()) return {"replay", "simgrid"};
  return {"replay"};
}

std::unique_ptr<Engine> MakeEngine(const std::string& name, const ClusterSpec& cluster) {
  if (name == "replay") return MakeReplayEngine();
  if (name == "simgrid") return MakeSimGridEngine(cluster);
  throw InputError("no engine is called " + JsonQuote(name) + ", this build has: " + JoinNames(EngineNames()));
}

}  // namespace dflop
