// Found by file name among the embedded ones and parsed at each call.
#include "traces/committed_traces.hpp"

namespace dflop {

std::optional<CostTrace> CommittedTrace(const std::string& gpu) {
  const std::string path = gpu + ".json";
  for (const EmbeddedFile& file : TraceData()) {
    if (file.path != path) continue;
    const std::string name = "built-in trace " + path;
    const Json document = ParseJson(file.content, name);
    return ReadCostTrace(JsonReader(document, name));
  }
  return std::nullopt;
}

}  // namespace dflop
