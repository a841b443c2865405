// A word is told by its place in the file: what works for one scenario that a policy is shared by has an effect.
#include "experiments/results/idle_words.hpp"

#include <algorithm>

namespace dflop {
namespace {

/// The places of words in the order in which they are met, and whether any of their uses works.
class UsesOfWords {
 public:
  void Add(const std::string& place, const char* why_not, bool works) {
    const auto known = std::find_if(uses_.begin(), uses_.end(), [&](const Use& use) { return use.place == place; });
    if (known == uses_.end()) {
      uses_.push_back({place, why_not, works});
    } else {
      known->works = known->works || works;
    }
  }

  std::vector<std::string> Lines(const std::string& file) const {
    std::vector<std::string> lines;
    for (const Use& use : uses_) {
      if (!use.works) lines.push_back(file + ":" + use.place + ": has no effect: " + use.why_not);
    }
    return lines;
  }

 private:
  struct Use {
    std::string place;
    const char* why_not;
    bool works;
  };
  std::vector<Use> uses_;
};

/// A sweep over the word is told of as an axis (no_effect.hpp).
void AddImbalance(const Point& point, UsesOfWords& uses) {
  static constexpr char kWord[] = "/model/llm/experts/imbalance";
  const ExpertSpec& experts = point.scenario.model.llm.shape.experts;
  const bool swept = point.values.find(kWord) != nullptr;
  if (experts.imbalance <= 1 || swept) return;
  const Json* model = point.scenario.json.find("model");
  const bool in_place = model != nullptr && model->find("llm") != nullptr;
  uses.Add(point.scenario.pointer + (in_place ? kWord : "/model"),
           in_place ? "beside capacity_factor every expert runs as many rows"
                    : "the experts' imbalance: beside capacity_factor every expert runs as many rows",
           experts.capacity_factor == 0);
}

void AddSpreadEncoders(const Scenario& scenario, UsesOfWords& uses) {
  const bool own = scenario.json.find("policies") != nullptr;
  for (std::size_t i = 0; i < scenario.policies.size(); ++i) {
    const PolicySpec& policy = scenario.policies[i];
    const Json* word = policy.layout.find("spread_encoders");
    if (word == nullptr || *word != Json(true)) continue;
    const std::string place = own ? scenario.pointer + "/policies/" + std::to_string(i) : policy.pointer;
    uses.Add(place + "/layout/spread_encoders", "the model has no encoder", !scenario.model.encoders.empty());
  }
}

}  // namespace

std::vector<std::string> WordsWithoutEffect(const Experiment& experiment) {
  UsesOfWords uses;
  for (const Point& point : experiment.points) {
    AddImbalance(point, uses);
    AddSpreadEncoders(point.scenario, uses);
  }
  return uses.Lines(experiment.file);
}

}  // namespace dflop
