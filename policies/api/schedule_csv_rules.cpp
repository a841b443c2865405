// What torch.distributed.pipelining asserts of a schedule, and what its lowering to sends and receives makes of one.
#include "policies/api/schedule_csv_rules.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/index.hpp"

namespace dflop {
namespace {

/// [stage, microbatch]: where it stands.
using PlacesOfKind = std::map<std::pair<int, int>, const CsvComputation*>;

std::string CellName(const char* type, int stage, int microbatch) {
  return std::to_string(stage) + type + std::to_string(microbatch);
}

class ComputationRules {
 public:
  explicit ComputationRules(const CsvFailure& fail) : fail_(fail) {}

  void Add(const CsvComputation& one) {
    const std::pair<int, int> pair(one.stage, one.microbatch);
    const auto named = [&](const char* type) { return CellName(type, one.stage, one.microbatch); };
    const auto broken = [&](const std::string& rule) { fail_(one.row, one.column, rule); };
    PlacesOfKind& places = places_[one.kind];
    if (!places.emplace(pair, &one).second) broken("the same action a second time");
    if (GivesInputGradient(one.kind) && !places_[OpKind::kForward].contains(pair)) {
      broken("a backward before its forward " + named("F"));
    }
    if (one.kind == OpKind::kBackwardWeight && !places_[OpKind::kBackwardInput].contains(pair)) {
      broken("a weights' backward before the input's, " + named("I"));
    }
    const bool whole = places_[OpKind::kBackward].contains(pair);
    if (whole && places_[OpKind::kBackwardInput].contains(pair)) broken("a whole backward beside a half of it");
  }

  void Complete(int stages, int microbatches) {
    for (const auto& [pair, forward] : places_[OpKind::kForward]) {
      const bool whole = places_[OpKind::kBackward].contains(pair);
      if (whole || places_[OpKind::kBackwardInput].contains(pair)) continue;
      fail_(forward->row, forward->column, "a forward that no backward follows");
    }
    for (const auto& [pair, input] : places_[OpKind::kBackwardInput]) {
      if (places_[OpKind::kBackwardWeight].contains(pair)) continue;
      fail_(input->row, input->column, "an input's backward that no weights' follows");
    }
    for (int stage = 0; stage < stages; ++stage) {
      for (int k = 0; k < microbatches; ++k) CheckRuns(stage, k);
    }
  }

 private:
  void CheckRuns(int stage, int microbatch) {
    const PlacesOfKind& forwards = places_[OpKind::kForward];
    if (forwards.contains({stage, microbatch})) return;
    const auto of_others = std::find_if(forwards.begin(), forwards.end(),
                                        [&](const auto& entry) { return entry.first.second == microbatch; });
    if (of_others == forwards.end()) return fail_(0, 0, "nobody runs microbatch " + std::to_string(microbatch));
    const CsvComputation& other = *of_others->second;
    fail_(other.row, other.column,
          "stage " + std::to_string(stage) + " never runs this microbatch; every stage runs them all");
  }

  const CsvFailure& fail_;
  std::map<OpKind, PlacesOfKind> places_;
};

class MessageRules {
 public:
  MessageRules(const std::vector<CsvComputation>& computations, const Placement& placement, const CsvFailure& fail)
      : placement_(placement), fail_(fail) {
    for (const CsvComputation& one : computations) {
      if (one.kind == OpKind::kForward) forwards_[{one.stage, one.microbatch}] = &one;
      if (GivesInputGradient(one.kind)) backwards_[{one.stage, one.microbatch}] = &one;
    }
  }

  void Add(const CsvMessage& message) {
    const auto broken = [&](const std::string& rule) { fail_(message.row, message.column, rule); };
    if (!IsStage(message.stage) || !IsStage(OtherEnd(message)) ||
        placement_[Index(message.stage)] == placement_[Index(OtherEnd(message))]) {
      return broken("a message within a row, or beyond the pipeline's end");
    }
    if (placement_[Index(message.stage)] != static_cast<int>(message.row)) {
      return broken("a message of stage " + std::to_string(message.stage) + ", which stands on row " +
                    std::to_string(placement_[Index(message.stage)] + 1));
    }
    const PlacesOfKind& places = message.forward ? forwards_ : backwards_;
    const auto computation = places.find({message.stage, message.microbatch});
    if (computation == places.end()) return broken("a message of a microbatch that the stage never runs");
    const bool behind = computation->second->column < message.column;
    if (behind != message.sends) return broken(message.sends ? "sent before it is there" : "received after it is used");
    if (!met_.insert({Key(message), &message}).second) broken("the same message a second time");
  }

  void Complete() const {
    for (const auto& [pair, forward] : forwards_) Owes(*forward, true);
    for (const auto& [pair, backward] : backwards_) Owes(*backward, false);
  }

 private:
  using MessageKey = std::tuple<bool, bool, int, int>;
  static MessageKey Key(const CsvMessage& message) {
    return {message.sends, message.forward, message.stage, message.microbatch};
  }
  static int OtherEnd(const CsvMessage& message) {
    return message.sends == message.forward ? message.stage + 1 : message.stage - 1;
  }
  bool IsStage(int stage) const { return stage >= 0 && stage < static_cast<int>(placement_.size()); }

  void Owes(const CsvComputation& one, bool forward) const {
    const int to = forward ? one.stage + 1 : one.stage - 1;
    if (!IsStage(to) || placement_[Index(to)] == placement_[Index(one.stage)]) return;
    if (!met_.contains({true, forward, one.stage, one.microbatch})) {
      fail_(one.row, one.column,
            "never sent: " + CellName(forward ? "SEND_F" : "SEND_B", one.stage, one.microbatch) + " is missing");
    }
    if (!met_.contains({false, forward, to, one.microbatch})) {
      fail_(one.row, one.column,
            "never received: " + CellName(forward ? "RECV_F" : "RECV_B", to, one.microbatch) + " is missing");
    }
  }

  const Placement& placement_;
  const CsvFailure& fail_;
  PlacesOfKind forwards_, backwards_;
  std::map<MessageKey, const CsvMessage*> met_;
};

}  // namespace

void CheckCsvComputations(const std::vector<CsvComputation>& computations, int stages, int microbatches,
                          const CsvFailure& fail) {
  ComputationRules rules(fail);
  for (const CsvComputation& one : computations) rules.Add(one);
  rules.Complete(stages, microbatches);
}

void CheckCsvMessages(const std::vector<CsvComputation>& computations, const std::vector<CsvMessage>& messages,
                      const Placement& placement, const CsvFailure& fail) {
  MessageRules rules(computations, placement, fail);
  for (const CsvMessage& message : messages) rules.Add(message);
  const bool complete = std::any_of(messages.begin(), messages.end(), [](const CsvMessage& m) { return !m.sends; });
  if (complete) rules.Complete();
}

}  // namespace dflop
