// From orders to PyTorch's files. What lowers computations to sends and receives there goes round the ranks and takes
// each one's next action as soon as what it wants has been sent; a receive is put where its rank has got to by then.
#include <algorithm>
#include <deque>
#include <set>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "policies/api/schedule_csv.hpp"

namespace dflop {
namespace {

/// Stages whose parameters are gathered at once: one that runs forward, one backward, one that comes next.
constexpr std::size_t kGathered = 3;

const char* TypeOf(OpKind kind) {
  if (kind == OpKind::kForward) return "F";
  if (kind == OpKind::kBackward) return "B";
  return kind == OpKind::kBackwardInput ? "I" : "W";
}

std::string ActionText(int stage, const char* type, int microbatch) {
  return std::to_string(stage) + type + std::to_string(microbatch);
}

/// A computation of a stage, or what goes with it and has no microbatch.
struct Lowered {
  ScheduledOp op{};
  int stage = 0;
  std::string of_parameters{};  ///< "" for a computation
};

std::vector<Lowered> Computations(const DeviceOrder& order, const std::vector<int>& stages) {
  std::vector<Lowered> actions;
  for (const ScheduledOp& op : order) actions.push_back({op, stages[Index(op.chunk)], ""});
  return actions;
}

/// Before each action: stages that are not among the next few let go, those that are gathered, in their order.
std::vector<Lowered> WithGathers(const std::vector<Lowered>& actions) {
  std::vector<Lowered> all;
  std::set<int> gathered;
  const auto add = [&](int stage, const char* type) { all.push_back({{}, stage, type}); };
  for (std::size_t i = 0; i < actions.size(); ++i) {
    std::vector<int> next;
    for (std::size_t k = i; k < actions.size() && next.size() < kGathered; ++k) {
      if (std::find(next.begin(), next.end(), actions[k].stage) == next.end()) next.push_back(actions[k].stage);
    }
    for (auto stage = gathered.begin(); stage != gathered.end();) {
      const bool due = std::find(next.begin(), next.end(), *stage) != next.end();
      if (!due) add(*stage, "RESHARD");
      stage = due ? std::next(stage) : gathered.erase(stage);
    }
    for (const int stage : next) {
      if (gathered.insert(stage).second) add(stage, "UNSHARD");
    }
    all.push_back(actions[i]);
  }
  return all;
}

/// Behind the last weights' gradient of each stage.
std::vector<Lowered> WithReductions(const std::vector<Lowered>& actions, const ScheduleProblem& problem) {
  std::vector<Lowered> all;
  std::vector<int> met(Index(problem.stages()));
  for (const Lowered& action : actions) {
    all.push_back(action);
    if (!action.of_parameters.empty() || !GivesWeightGradient(action.op.kind)) continue;
    if (++met[Index(action.stage)] == problem.microbatches) all.push_back({{}, action.stage, "REDUCE_GRAD"});
  }
  return all;
}

class MessageLowering {
 public:
  MessageLowering(std::vector<std::vector<Lowered>> actions, const ScheduleProblem& problem)
      : problem_(problem), rows_(actions.size()), here_(actions.size()) {
    for (std::vector<Lowered>& of_rank : actions) left_.emplace_back(of_rank.begin(), of_rank.end());
  }

  std::vector<std::vector<std::string>> Rows() {
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t rank = 0; rank < left_.size(); ++rank) {
        if (left_[rank].empty() || !Ready(left_[rank].front(), rank)) continue;
        Take(left_[rank].front(), rank);
        left_[rank].pop_front();
        moved = true;
      }
    }
    for (const auto& of_rank : left_) DFLOP_CHECK(of_rank.empty(), "orders that can end");
    return std::move(rows_);
  }

 private:
  /// What a stage has for a microbatch: its input, or the gradient of its output.
  struct Arrival {
    bool forward;
    int stage;
    int microbatch;
    auto operator<=>(const Arrival&) const = default;
  };

  bool Ready(const Lowered& action, std::size_t rank) const {
    if (!action.of_parameters.empty() || action.op.kind == OpKind::kBackwardWeight) return true;
    const bool forward = action.op.kind == OpKind::kForward;
    const bool from_outside = forward ? action.stage == 0 : action.stage + 1 == problem_.stages();
    return from_outside || here_[rank].contains({forward, action.stage, action.op.microbatch});
  }

  void Take(const Lowered& action, std::size_t rank) {
    if (!action.of_parameters.empty()) {
      rows_[rank].push_back(std::to_string(action.stage) + action.of_parameters);
      return;
    }
    const int microbatch = action.op.microbatch;
    rows_[rank].push_back(ActionText(action.stage, TypeOf(action.op.kind), microbatch));
    if (action.op.kind == OpKind::kBackwardWeight) return;
    const bool forward = action.op.kind == OpKind::kForward;
    const int to = forward ? action.stage + 1 : action.stage - 1;
    if (to < 0 || to >= problem_.stages()) return;
    const auto peer = Index(problem_.placement[Index(to)]);
    if (peer != rank) {
      rows_[rank].push_back(ActionText(action.stage, forward ? "SEND_F" : "SEND_B", microbatch));
      rows_[peer].push_back(ActionText(to, forward ? "RECV_F" : "RECV_B", microbatch));
    }
    here_[peer].insert({forward, to, microbatch});
  }

  const ScheduleProblem& problem_;
  std::vector<std::deque<Lowered>> left_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::set<Arrival>> here_;  ///< [rank]
};

/// A pair is one cell.
std::vector<std::vector<std::string>> ComputationRows(const std::vector<std::vector<Lowered>>& actions) {
  std::vector<std::vector<std::string>> rows;
  for (const std::vector<Lowered>& of_rank : actions) {
    std::vector<std::string>& row = rows.emplace_back();
    bool in_pair = false;  // its second half is to come
    for (const Lowered& one : of_rank) {
      const std::string action = ActionText(one.stage, TypeOf(one.op.kind), one.op.microbatch);
      if (in_pair) {
        row.back() += ";" + action + ")OVERLAP_F_B";
      } else {
        row.push_back((one.op.pair > 0 ? "(" : "") + action);
      }
      in_pair = one.op.pair > 0;
    }
  }
  return rows;
}

}  // namespace

std::string ScheduleCsv(const std::vector<DeviceOrder>& orders, const ScheduleProblem& problem,
                        const CsvOptions& options) {
  const std::vector<std::vector<int>> stages = problem.StagesOfDevices();
  const bool lowers = options.format == CsvFormat::kComputeComms;
  std::vector<std::vector<Lowered>> actions;
  for (std::size_t device = 0; device < orders.size(); ++device) {
    actions.push_back(Computations(orders[device], stages[device]));
    if (lowers && options.shards_parameters) actions.back() = WithReductions(WithGathers(actions.back()), problem);
  }
  const auto rows = lowers ? MessageLowering(std::move(actions), problem).Rows() : ComputationRows(actions);
  std::string csv;
  for (const std::vector<std::string>& row : rows) {
    for (std::size_t column = 0; column < row.size(); ++column) csv += (column == 0 ? "" : ",") + row[column];
    csv += '\n';
  }
  return csv;
}

}  // namespace dflop
