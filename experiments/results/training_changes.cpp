// Policies are listed by what they change, so that a note says each change once.
#include "experiments/results/training_changes.hpp"

#include <algorithm>

namespace dflop {
namespace {

template <typename T>
void AddOnce(const T& value, std::vector<T>& values) {
  if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
}

}  // namespace

std::vector<std::string> TrainingChanges(const BatchScheduler& batcher, std::int64_t deferrals) {
  std::vector<std::string> changes;
  if (const std::string own = batcher.ChangesTraining(); !own.empty()) changes.push_back(own);
  if (deferrals > 0) changes.emplace_back("samples wait for a later step than their global batch's");
  return changes;
}

void AddTrainingChanges(const JsonReader& run, std::vector<std::string>& changes) {
  const auto stated = run.Find("changes_training");
  if (!stated) return;
  for (const JsonReader& change : stated->Elements()) AddOnce(change.String(), changes);
}

void TrainingNote::Add(const std::string& policy, const std::vector<std::string>& changes) {
  for (const std::string& change : changes) {
    auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.change == change; });
    if (entry == entries_.end()) entry = entries_.insert(entries_.end(), {change, {}});
    AddOnce(policy, entry->policies);
  }
}

std::string TrainingNote::Text() const {
  std::string text;
  for (const Entry& entry : entries_) {
    text += (text.empty() ? "† changes the training: " : "; ") + entry.change + " (" + JoinNames(entry.policies) + ")";
  }
  return text;
}

}  // namespace dflop
