// Which policies change the training itself, not only the order of its work: marked wherever they are compared, for
// their step time buys something else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "policies/api/batch_scheduler.hpp"

namespace dflop {

/// Behind the name of such a policy in every table.
inline constexpr const char* kTrainingMark = " †";

/// What a run of the batcher did to the training, having put off samples so many times. A batcher that may defer but
/// never did has changed nothing.
std::vector<std::string> TrainingChanges(const BatchScheduler& batcher, std::int64_t deferrals);

/// Adds what a run of dflop/result/1 says and is not yet there.
void AddTrainingChanges(const JsonReader& run, std::vector<std::string>& changes);

/// "" or a line for below a table: "† changes the training: " and what, one entry per change and its policies.
class TrainingNote {
 public:
  void Add(const std::string& policy, const std::vector<std::string>& changes);
  std::string Text() const;

 private:
  struct Entry {
    std::string change;
    std::vector<std::string> policies;
  };
  std::vector<Entry> entries_;
};

}  // namespace dflop
