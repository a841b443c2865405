// A default that was not given stands where the batcher itself was asked for, so that its errors point there.
#include "policies/batching_search/start_batcher.hpp"

#include "policies/api/registry.hpp"

namespace dflop {
namespace {

constexpr const char* kStart = "dflop";

}  // namespace

Parameter StartParameter(const std::string& help) {
  return {.name = "start", .type = Parameter::Other{"batch scheduler"}, .standard = kStart, .help = help};
}

std::unique_ptr<BatchScheduler> MakeStart(const Parameters& given) {
  static const Json kDefault(kStart);
  const auto start = given.Find("start");
  return Registry<BatchScheduler>::Instance().Make(
      start ? *start : JsonReader(kDefault, given.json().file(), given.json().pointer()));
}

void AddNote(BatchPlan& plan, const std::string& note) {
  if (!note.empty()) plan.note += (plan.note.empty() ? "" : "; ") + note;
}

}  // namespace dflop
