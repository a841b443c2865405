// Candidates for a link are those that end when an event begins; of several, the one that has most to do with it.
#include "experiments/results/picture_waits.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

namespace dflop {
namespace {

constexpr double kNoWait = 1e-9;  // of the step: what rounding leaves between two events of one device

/// Which event let another one begin.
class EventLinks {
 public:
  explicit EventLinks(const StepPicture& picture) : picture_(picture), by_end_(picture.events.size()) {
    std::iota(by_end_.begin(), by_end_.end(), 0);
    std::stable_sort(by_end_.begin(), by_end_.end(), [&](int a, int b) { return At(a).end_s < At(b).end_s; });
  }

  /// −1 where none of the picture ends then. Never one of `without`, which keeps events of no length from a circle.
  int Before(int event, const std::set<int>& without = {}) const {
    const double start = At(event).start_s;
    auto candidate = std::lower_bound(by_end_.begin(), by_end_.end(), start,
                                      [&](int index, double time) { return At(index).end_s < time; });
    int best = -1, best_rank = kUnrelated;
    for (; candidate != by_end_.end() && At(*candidate).end_s == start; ++candidate) {
      if (*candidate == event || without.contains(*candidate)) continue;
      const int rank = Rank(At(*candidate), At(event));
      if (rank < best_rank) best = *candidate, best_rank = rank;
    }
    return best;
  }

  int Last() const { return by_end_.empty() ? -1 : by_end_.back(); }

 private:
  static constexpr int kUnrelated = 9;

  const PictureEvent& At(int event) const { return picture_.events[static_cast<std::size_t>(event)]; }
  const PictureStage* Stage(int stage) const {
    return stage < 0 ? nullptr : &picture_.stages[static_cast<std::size_t>(stage)];
  }
  bool SameGroup(int a, int b) const {
    return Stage(a) != nullptr && Stage(b) != nullptr && Stage(a)->group == Stage(b)->group;
  }
  bool SameReplica(int a, int b) const {
    return Stage(a) != nullptr && Stage(b) != nullptr && Stage(a)->replica == Stage(b)->replica;
  }

  /// 0 is closest: the same device, or the message of this very microbatch.
  int Rank(const PictureEvent& before, const PictureEvent& event) const {
    const bool same_microbatch = before.microbatch == event.microbatch;
    if (event.kind == "transfer") {
      if (!before.IsCommunication() && SameGroup(before.stage, event.from_stage)) return same_microbatch ? 0 : 1;
      // A message that holds its devices waits for both of them, and for the messages that they still hold.
      const bool meet = SameGroup(before.stage, event.stage) || SameGroup(before.stage, event.from_stage) ||
                        SameGroup(before.from_stage, event.from_stage) || SameGroup(before.from_stage, event.stage);
      return meet ? 2 : kUnrelated;
    }
    if (SameGroup(before.stage, event.stage)) return before.kind != "transfer" || same_microbatch ? 0 : 2;
    if (SameGroup(before.from_stage, event.stage)) return 2;  // its own message, which blocked it
    if (event.IsMicrobatchWork()) {
      if (same_microbatch && !before.IsCommunication()) return SameReplica(before.stage, event.stage) ? 3 : 4;
      return before.kind == "parameter_gather" ? 5 : kUnrelated;
    }
    return before.kind == "transfer" ? kUnrelated : 6;  // reductions and optimizers wait for all replicas
  }

  const StepPicture& picture_;
  std::vector<int> by_end_;
};

/// Indices of the events that compute, by device group, in the order of time.
std::map<int, std::vector<int>> WorkOfGroups(const StepPicture& picture) {
  std::map<int, std::vector<int>> work;
  for (const PictureStage& stage : picture.stages) work[stage.group];
  for (std::size_t i = 0; i < picture.events.size(); ++i) {
    const PictureEvent& event = picture.events[i];
    if (event.stage < 0 || event.IsCommunication()) continue;
    work[picture.stages[static_cast<std::size_t>(event.stage)].group].push_back(static_cast<int>(i));
  }
  for (auto& [group, events] : work) {
    std::stable_sort(events.begin(), events.end(), [&](int a, int b) {
      return picture.events[static_cast<std::size_t>(a)].start_s < picture.events[static_cast<std::size_t>(b)].start_s;
    });
  }
  return work;
}

}  // namespace

std::vector<PictureWait> WaitsOf(const StepPicture& picture) {
  const EventLinks links(picture);
  const double shortest = kNoWait * picture.makespan_s;
  std::vector<PictureWait> waits;
  for (const auto& [group, events] : WorkOfGroups(picture)) {
    double free_s = 0;
    for (const int index : events) {
      const PictureEvent& event = picture.events[static_cast<std::size_t>(index)];
      if (event.start_s - free_s > shortest) {
        waits.push_back({group, free_s, event.start_s, index, links.Before(index)});
      }
      free_s = std::max(free_s, event.end_s);
    }
    if (picture.makespan_s - free_s > shortest) waits.push_back({group, free_s, picture.makespan_s, -1, links.Last()});
  }
  return waits;
}

std::vector<int> CriticalPath(const StepPicture& picture) {
  const EventLinks links(picture);
  std::vector<int> path;
  std::set<int> taken;
  const auto at = [&](int event) -> const PictureEvent& { return picture.events[static_cast<std::size_t>(event)]; };
  if (links.Last() < 0 || at(links.Last()).end_s != picture.makespan_s) return {};
  for (int event = links.Last(); event >= 0; event = links.Before(event, taken)) {
    path.push_back(event);
    taken.insert(event);
    if (at(event).start_s == 0) break;
  }
  if (at(path.back()).start_s > 0) return {};
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace dflop
