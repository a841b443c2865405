// One search for both options, so that their complaints read alike.
#include "experiments/spec/selection.hpp"

#include <vector>

namespace dflop {
namespace {

template <typename Item, typename NameOf>
const Item& Choose(const std::vector<Item>& items, const std::optional<std::string>& wanted, const char* option,
                   NameOf name_of) {
  if (!wanted) return items.front();
  std::vector<std::string> names;
  for (const Item& item : items) {
    if (name_of(item) == *wanted) return item;
    if (names.empty() || names.back() != name_of(item)) names.push_back(name_of(item));
  }
  throw InputError(std::string(option) + ": " + JsonQuote(*wanted) + " is not there, allowed: " + JoinNames(names));
}

}  // namespace

const Scenario& ChooseScenario(const Experiment& experiment, const std::optional<std::string>& wanted) {
  return Choose(experiment.points, wanted, "--scenario", [](const Point& point) { return point.scenario.name; })
      .scenario;
}

const PolicySpec& ChoosePolicy(const Scenario& scenario, const std::optional<std::string>& wanted) {
  return Choose(scenario.policies, wanted, "--policy", [](const PolicySpec& spec) { return spec.name; });
}

}  // namespace dflop
