// Gradients are added up over the copies of a stage's layers, then its optimizer steps.
#include "sim/build/step_end.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/build/communicator.hpp"

namespace dflop {
namespace {

class StepEnd {
 public:
  explicit StepEnd(GraphDraft& draft) : draft_(draft) {}

  void Build() {
    const std::vector<Copies> copies = StagesByLayers();
    for (auto* needed : {&reduced_, &tied_}) needed->assign(draft_.layout.stages.size(), kNone);
    if (draft_.cost.software().overlap_parameters) {
      for (const Copies& replicas : copies) {
        if (Gathers(replicas)) GatherParameters(replicas, {});
      }
      last_collective_.clear();  // those of the step's end come long after
    }
    for (const Copies& replicas : InOrderOfReduction(copies)) ReduceGradients(replicas);
    ReduceTiedEmbeddings();
    for (const Copies& replicas : copies) StepOptimizer(replicas);
  }

 private:
  /// Stages that hold the same layers.
  struct Copies {
    std::vector<int> all{};
    std::vector<int> present{};  ///< without those that another one stands for
  };

  std::vector<Copies> StagesByLayers() const {
    std::map<std::tuple<int, int, int>, std::size_t> row_of;
    std::vector<Copies> rows;
    for (int s = 0; s < draft_.StageCount(); ++s) {
      if (!draft_.Represented(s)) continue;
      const ModulePart& part = draft_.StageAt(s).parts.front();
      const auto [entry, is_new] =
          row_of.try_emplace({draft_.StageAt(s).depth, part.module, part.first_layer}, rows.size());
      if (is_new) rows.emplace_back();
      rows[entry->second].all.push_back(s);
      if (draft_.Included(s)) rows[entry->second].present.push_back(s);
    }
    return rows;
  }

  /// Whether several copies of these layers have gradients to add up.
  bool Coupled(const Copies& replicas) const {
    return draft_.options.couple_replicas &&
           (replicas.all.size() > 1 || draft_.StageAt(replicas.all.front()).parts.front().mesh.copies() > 1);
  }

  void ReduceGradients(const Copies& replicas) {
    if (!Coupled(replicas)) return;
    const BucketedRing ring = BucketedRing::OfGradients(draft_.cost, draft_.layout, replicas.all);
    const std::vector<int> reduced =
        AddBuckets(OpKind::kGradientReduction, replicas.present.front(), ring, draft_.options.communication.gradients);
    for (const int s : replicas.present) {
      for (std::size_t i = 0; i < reduced.size(); ++i) NeedGradients(reduced[i], s, ring.buckets()[i].end);
      reduced_[Index(s)] = reduced.back();
    }
  }

  /// `reduced` starts once this share of the stage's gradients is complete.
  void NeedGradients(int reduced, int s, double share) {
    if (!Overlaps(s)) return NeedLastOf(reduced, s);
    const int last = LastGradient(s);
    if (share < 1 && draft_.graph.PartsOf(Index(last)).empty()) return draft_.NeedPart(reduced, {last, share});
    draft_.Need(reduced, last);
  }

  /// Adds the buckets one after the other; returns the operation of each.
  std::vector<int> AddBuckets(OpKind kind, int first, const BucketedRing& ring, bool moves) {
    std::vector<int> added;
    double size = 0;
    for (const BucketedRing::Bucket& bucket : ring.buckets()) {
      const Operation operation{.kind = kind, .stage = first, .of_all_replicas = true};
      added.push_back(bucket.size == size
                          ? draft_.AddAgain(added.back())
                          : draft_.AddCommunication(operation, moves ? ring.Of(bucket) : Communication{}));
      size = bucket.size;
      AfterOthersOf(added.back(), first);
    }
    return added;
  }

  /// Stages that share their devices reduce in the order in which their gradients are complete, where they need not
  /// wait for one another.
  std::vector<Copies> InOrderOfReduction(std::vector<Copies> copies) const {
    const auto earlier = [&](const Copies& a, const Copies& b) {
      const bool first = Overlaps(a.present.front());
      return first && Overlaps(b.present.front()) ? LastGradient(a.present.front()) < LastGradient(b.present.front())
                                                  : first;
    };
    if (draft_.cost.software().overlap_gradients) std::stable_sort(copies.begin(), copies.end(), earlier);
    return copies;
  }

  bool Overlaps(int s) const {
    return draft_.cost.software().overlap_gradients && draft_.costs.needs_backward[Index(s)];
  }

  /// The operation with which the gradients of stage `s` are complete: the last that its device runs, which need not be
  /// that of the last microbatch.
  int LastGradient(int s) const {
    const std::vector<int>& queue = draft_.graph.queues[Index(draft_.StageAt(s).group)];
    const auto completes = [&](int id) {
      const Operation& operation = draft_.graph.operations[Index(id)];
      return operation.stage == s && (GivesInputGradient(operation.kind) || GivesWeightGradient(operation.kind));
    };
    const auto last = std::find_if(queue.rbegin(), queue.rend(), completes);
    DFLOP_CHECK(last != queue.rend(), "a stage that needs a backward runs one");
    return *last;
  }

  void ReduceTiedEmbeddings() {
    if (!draft_.options.communication.gradients) return;
    for (const Chain& chain : ChainsOf(draft_.layout)) {
      if (!draft_.cost.model().is_llm(chain.module) || !draft_.Included(chain.stages.front())) continue;
      const int last = chain.stages.back();
      const int first = EmbeddingStage(draft_.cost, draft_.layout, chain.stages);
      const Communication communication = TiedEmbeddingReduction(draft_.cost, draft_.layout, first, last);
      if (communication.flows.empty()) continue;
      const int tied = draft_.AddCommunication({.kind = OpKind::kGradientReduction, .stage = first, .to_stage = last},
                                               communication);
      for (const int s : {first, last}) {
        if (reduced_[Index(s)] == kNone) {
          NeedLastOf(tied, s);
        } else {
          draft_.Need(tied, reduced_[Index(s)]);
          draft_.NeedHeldBy(tied, draft_.StageAt(s).group);
        }
        tied_[Index(s)] = tied;
      }
    }
  }

  void StepOptimizer(const Copies& replicas) {
    std::vector<int> stepped;
    for (const int s : replicas.present) {
      const Operation optimizer{.kind = OpKind::kOptimizerStep, .stage = s, .queue = draft_.StageAt(s).group};
      const int step = draft_.Add(optimizer, DurationOf(optimizer, draft_.costs));
      draft_.NeedHeldBy(step, optimizer.queue);
      for (const int other : draft_.StagesOf(draft_.StageAt(s).group)) {
        for (const int needed : {reduced_[Index(other)], tied_[Index(other)]}) {
          if (needed != kNone) draft_.Need(step, needed);
        }
      }
      stepped.push_back(step);
    }
    if (Gathers(replicas) && !draft_.cost.software().overlap_parameters) GatherParameters(replicas, stepped);
  }

  bool Gathers(const Copies& replicas) const {
    return Coupled(replicas) && draft_.cost.software().distributed_optimizer;
  }

  /// After these optimizer steps; or, where there are none, what those of the step before left to gather: it begins
  /// with the step, and the stage's first forward uses the weights as they come.
  void GatherParameters(const Copies& replicas, const std::vector<int>& stepped) {
    const BucketedRing ring = BucketedRing::OfParameters(draft_.cost, draft_.layout, replicas.all);
    const std::vector<int> gathered =
        AddBuckets(OpKind::kParameterGather, replicas.present.front(), ring, draft_.options.communication.parameters);
    for (std::size_t i = 0; i < gathered.size(); ++i) {
      for (const int step : stepped) draft_.Need(gathered[i], step);
      if (!stepped.empty()) continue;
      for (const int s : replicas.present) UseParameters(s, gathered[i], ring.buckets()[i].begin);
    }
  }

  void UseParameters(int s, int gathered, double share) {
    const int first = FirstForward(s);
    if (share > 0 && draft_.graph.PartsOf(Index(first)).empty()) {
      return draft_.NeedPart(first, {gathered, share, Lag::PartOf::kWaiting});
    }
    draft_.Need(first, gathered);
  }

  int FirstForward(int s) const {
    const std::vector<int>& queue = draft_.graph.queues[Index(draft_.StageAt(s).group)];
    return *std::find_if(queue.begin(), queue.end(), [&](int id) {
      const Operation& operation = draft_.graph.operations[Index(id)];
      return operation.stage == s && operation.kind == OpKind::kForward;
    });
  }

  /// `waiting` starts after the last operation of the device that holds stage `s`, and the send that this blocks in.
  void NeedLastOf(int waiting, int s) {
    const int group = draft_.StageAt(s).group;
    draft_.Need(waiting, draft_.graph.queues[Index(group)].back());
    draft_.NeedHeldBy(waiting, group);
  }

  /// Stages that share their devices send the collectives of the step's end one after the other.
  void AfterOthersOf(int collective, int s) {
    const auto [entry, is_first] = last_collective_.try_emplace(draft_.StageAt(s).group, collective);
    if (!is_first) draft_.Need(collective, std::exchange(entry->second, collective));
  }

  GraphDraft& draft_;
  std::map<int, int> last_collective_;  ///< by device group, where stages share it
  /// [stage]: operations that its optimizer step waits for. Between tied embeddings both, for a replay that leaves
  /// that one out.
  std::vector<int> reduced_, tied_;
};

}  // namespace

void AddStepEnd(GraphDraft& draft) { StepEnd(draft).Build(); }

}  // namespace dflop
