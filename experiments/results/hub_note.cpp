// Said from a tenth of the step on.
#include "experiments/results/hub_note.hpp"

#include "experiments/results/figure_text.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {
namespace {

constexpr double kWorthSaying = 0.1;

}  // namespace

bool GoesThroughHub(const JsonReader& run) {
  const auto layout = run.Find("layout");
  const auto communicator = layout ? layout->Find("communicator") : std::nullopt;
  return communicator && ReadCommunicator(*communicator).hub();
}

void HubNote::Add(const std::string& policy, bool through_hub, double share) {
  if (through_hub && share >= kWorthSaying) waiting_.push_back(policy + " " + Percent(share, 0));
}

std::string HubNote::Text() const {
  if (waiting_.empty()) return "";
  std::string text = "the hub between encoders and LLM costs ";
  for (const std::string& policy : waiting_) text += (&policy == &waiting_.front() ? "" : ", ") + policy;
  return text + " of the step; \"communicator\": \"direct\" in the layout sends past it";
}

}  // namespace dflop
