// The end of a step is followed back from operation to operation; replicas are ranked by when their last microbatch
// ends.
#include "sim/measure/drawn_devices.hpp"

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/build/replica_classes.hpp"
#include "sim/measure/timeline.hpp"
#include "sim/plan/replica_content.hpp"

namespace dflop {
namespace {

constexpr int kNobody = -1;

/// Without those that another one stands for; of two directions the way down, which stands for its devices.
std::vector<ReplicaContent> SimulatedReplicas(const Layout& layout, const OperationGraph& graph) {
  std::vector<ReplicaContent> replicas = ReplicasByContent(layout);
  std::erase_if(replicas, [&](const ReplicaContent& replica) {
    const bool goes_up = !layout.feeds(replica.module) && layout.DirectionOf(replica.replica) > 0;
    return goes_up || graph.CopiesOf(layout.stages[Index(replica.stages.front())].group) == 0;
  });
  return replicas;
}

class DrawnSample {
 public:
  DrawnSample(const Job& job, const Step& step, std::size_t most)
      : job_(job),
        step_(step),
        most_(most),
        replicas_(SimulatedReplicas(job.layout, step.graph)),
        drawn_(job.layout.groups.size()),
        replica_of_(job.layout.groups.size()) {
    for (std::size_t r = 0; r < replicas_.size(); ++r) {
      for (const int s : replicas_[r].stages) replica_of_[Index(job.layout.stages[Index(s)].group)] = r;
    }
    MeasureEnds();
  }

  std::vector<bool> Choose() && {
    Draw(MostWaitedFor());
    for (std::size_t r = 0; r < replicas_.size(); ++r) {
      if (r == 0 || replicas_[r].module != replicas_[r - 1].module) Draw(r);
    }
    for (const std::vector<std::size_t>& alike : ByModule()) DrawExtremes(alike);
    if (count_ < most_) {
      for (const std::vector<std::size_t>& alike : ByClass()) DrawExtremes(alike);
    }
    return std::move(drawn_);
  }

 private:
  void MeasureEnds() {
    ends_.assign(replicas_.size(), Seconds(0));
    for (std::size_t i = 0; i < step_.graph.operations.size(); ++i) {
      const Operation& operation = step_.graph.operations[i];
      const int group = ComputingGroup(step_.graph, operation);
      if (operation.microbatch < 0 || group < 0) continue;
      Seconds& end = ends_[replica_of_[Index(group)]];
      end = std::max(end, step_.times.end[i]);
    }
  }

  std::size_t MostWaitedFor() const {
    std::vector<Seconds> waited(replicas_.size());
    for (const int i : WaitedFor(step_.graph, *step_.order, step_.times)) {
      const int group = ComputingGroup(step_.graph, step_.graph.operations[Index(i)]);
      if (group < 0) continue;
      waited[replica_of_[Index(group)]] += step_.times.end[Index(i)] - step_.times.start[Index(i)];
    }
    return static_cast<std::size_t>(std::max_element(waited.begin(), waited.end()) - waited.begin());
  }

  /// The LLM's replicas first.
  std::vector<std::vector<std::size_t>> ByModule() const {
    std::vector<std::vector<std::size_t>> modules;
    for (std::size_t r = replicas_.size(); r-- > 0;) {
      if (modules.empty() || replicas_[modules.back().front()].module != replicas_[r].module) modules.emplace_back();
      modules.back().push_back(r);
    }
    for (auto& replicas : modules) std::reverse(replicas.begin(), replicas.end());
    return modules;
  }

  std::vector<std::vector<std::size_t>> ByClass() const {
    std::vector<std::size_t> place(Index(job_.layout.llm_replicas()));  // [replica of the LLM]
    for (std::size_t r = 0; r < replicas_.size(); ++r) {
      if (replicas_[r].module == replicas_.back().module) place[Index(replicas_[r].replica)] = r;
    }
    std::vector<std::vector<std::size_t>> classes;
    std::vector<ReplicaClass> of_work =
        step_.classes.empty() ? ReplicaClassesOf(job_.cost, job_.layout, step_.work) : step_.classes;
    std::stable_sort(of_work.begin(), of_work.end(),
                     [](const auto& a, const auto& b) { return a.count() > b.count(); });
    for (const ReplicaClass& one : of_work) {
      if (job_.layout.DirectionOf(one.first()) > 0) continue;
      auto& alike = classes.emplace_back();
      const auto simulated = one.replicas.begin() + (step_.classes.empty() ? one.count() : 1);
      for (auto replica = one.replicas.begin(); replica != simulated; ++replica) {
        alike.push_back(place[Index(*replica)]);
      }
    }
    return classes;
  }

  /// The last to end and the first.
  void DrawExtremes(const std::vector<std::size_t>& alike) {
    const auto earlier = [&](std::size_t a, std::size_t b) { return ends_[a] < ends_[b]; };
    const auto [first, last] = std::minmax_element(alike.begin(), alike.end(), earlier);
    for (const std::size_t replica : {*last, *first}) {
      if (count_ + GroupsOf(replica).size() <= most_) Draw(replica);
    }
  }

  std::set<int> GroupsOf(std::size_t replica) const {
    std::set<int> groups;
    for (const int s : replicas_[replica].stages) groups.insert(job_.layout.stages[Index(s)].group);
    return groups;
  }

  void Draw(std::size_t replica) {
    for (const int group : GroupsOf(replica)) {
      if (!drawn_[Index(group)]) ++count_;
      drawn_[Index(group)] = true;
    }
  }

  const Job& job_;
  const Step& step_;
  std::size_t most_;
  std::vector<ReplicaContent> replicas_;
  std::vector<bool> drawn_;
  std::vector<std::size_t> replica_of_;  ///< [device group]
  std::vector<Seconds> ends_;            ///< of a replica's last microbatch
  std::size_t count_ = 0;                ///< of groups that are drawn
};

}  // namespace

std::vector<int> WaitedFor(const OperationGraph& graph, const SweepOrder& order, const OperationTimes& times) {
  const auto ends_later = [&](int a, int b) { return b == kNobody || times.end[Index(a)] > times.end[Index(b)]; };
  const auto last = std::find(times.end.begin(), times.end.end(), times.makespan);
  std::vector<int> path;
  for (int i = last == times.end.end() ? kNobody : static_cast<int>(last - times.end.begin()); i != kNobody;) {
    path.push_back(i);
    int latest = order.Before(Index(i));
    for (const int needed : graph.DependenciesOf(Index(i))) {
      if (ends_later(needed, latest)) latest = needed;
    }
    // A part of what it waited for ended when it started, or it ended with what it waited for.
    for (const Lag& lag : graph.LagsOf(Index(i))) {
      if (latest == kNobody || times.end[Index(latest)] < times.start[Index(i)]) latest = lag.needed;
    }
    i = latest;
  }
  return path;
}

const std::vector<std::string>& TraceDetailNames() {
  static const std::vector<std::string> kNames = {"full", "sample", "none"};
  return kNames;
}

TraceDetail TraceDetailOf(const std::string& name) {
  const auto& names = TraceDetailNames();
  const auto found = std::find(names.begin(), names.end(), name);
  DFLOP_CHECK(found != names.end(), "the command line lets known details through");
  return static_cast<TraceDetail>(found - names.begin());
}

bool DrawsAll(const Layout& layout, TraceDetail detail) {
  return detail == TraceDetail::kFull || (detail == TraceDetail::kSample && layout.groups.size() <= kMostDrawnGroups);
}

std::vector<bool> DrawnGroups(const Job& job, const Step& step, TraceDetail detail, std::size_t most) {
  const std::size_t groups = job.layout.groups.size();
  if (detail == TraceDetail::kSample && groups > most) return DrawnSample(job, step, most).Choose();
  return std::vector<bool>(groups, detail != TraceDetail::kNone);
}

}  // namespace dflop
