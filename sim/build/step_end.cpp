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
  explicit StepEnd(GraphDraft& draft) : draft_(draft), ordered_at_(StagesThatOrder(draft.layout)) {}

  void Build() {
    const std::vector<Copies> copies = StagesByLayers();
    tied_.assign(draft_.layout.stages.size(), kNone);
    if (draft_.cost.software().overlap_parameters) {
      for (const Copies& replicas : copies) {
        if (Gathers(replicas)) GatherParameters(replicas, {});
      }
      last_collective_.clear();  // those of the step's end come long after
    }
    ReduceEveryMicrobatch(copies);
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

  /// The collectives that a bucket needs, one after the other.
  struct Moved {
    int begin = kNone;
    int end = kNone;
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

  /// [stage]: the one at whose device its collectives are put in order: itself, or of two directions, whose copies of
  /// two stages meet on the same two devices, its copy on the first of these.
  static std::vector<int> StagesThatOrder(const Layout& layout) {
    std::vector<int> stages;
    std::map<std::pair<int, int>, int> first;  // by row and depth
    for (int s = 0; s < static_cast<int>(layout.stages.size()); ++s) {
      stages.push_back(s);
      if (layout.directions == 1) continue;
      const Stage& stage = layout.stages[Index(s)];
      const auto [entry, is_new] = first.try_emplace({layout.RowOf(stage.replica), stage.depth}, s);
      if (is_new) continue;
      const int other = entry->second;
      const int ordering = stage.group < layout.stages[Index(other)].group ? s : other;
      stages[Index(s)] = stages[Index(other)] = ordering;
    }
    return stages;
  }

  /// Whether several copies of these layers have gradients to add up.
  bool Coupled(const Copies& replicas) const {
    return draft_.options.couple_replicas &&
           (replicas.all.size() > 1 || draft_.StageAt(replicas.all.front()).parts.front().mesh.copies() > 1);
  }

  /// Not those that have come to all copies already, unit by unit or microbatch by microbatch.
  bool Reduces(const Copies& replicas) const {
    return Coupled(replicas) && draft_.reduced[Index(replicas.present.front())] == kNone;
  }

  void ReduceGradients(const Copies& replicas) {
    if (!Reduces(replicas)) return;
    const BucketedRing ring = BucketedRing::OfGradients(draft_.cost, draft_.layout, replicas.all);
    const std::vector<Moved> reduced =
        AddBuckets(OpKind::kGradientReduction, replicas.present.front(), ring, draft_.options.communication.gradients);
    for (const int s : replicas.present) {
      for (std::size_t i = 0; i < reduced.size(); ++i) NeedGradients(reduced[i].begin, s, ring.buckets()[i].end);
      draft_.reduced[Index(s)] = reduced.back().end;
    }
  }

  /// Copies whose gradients are reduced after every microbatch.
  struct Repeated {
    const Copies* replicas;
    BucketedRing ring;
    std::vector<std::vector<int>> gradients{};  ///< [replica][microbatch]: operations that complete them
    std::vector<Moved> last{};
  };

  /// Beside what the device runs next where reductions overlap, otherwise before it. Stages that share their devices
  /// reduce in the order in which these complete their gradients.
  void ReduceEveryMicrobatch(const std::vector<Copies>& copies) {
    std::vector<Repeated> all;
    for (const Copies& replicas : copies) {
      const int first = replicas.present.front();
      const bool llm = draft_.IsLlm(draft_.StageAt(first).parts.front());
      if (!draft_.cost.software().reduces_every_microbatch(llm) || !draft_.costs.needs_backward[Index(first)]) continue;
      if (!Reduces(replicas)) continue;
      Repeated& one =
          all.emplace_back(Repeated{&replicas, BucketedRing::OfGradients(draft_.cost, draft_.layout, replicas.all)});
      for (const int s : replicas.present) one.gradients.push_back(GradientsOf(s));
    }
    std::map<int, std::pair<std::size_t, std::size_t>> by_operation;  // of the first replica → which copies, microbatch
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (std::size_t k = 0; k < all[i].gradients.front().size(); ++k)
        by_operation[all[i].gradients.front()[k]] = {i, k};
    }
    for (const auto& [operation, place] : by_operation) ReduceMicrobatch(all[place.first], place.second);
  }

  void ReduceMicrobatch(Repeated& one, std::size_t k) {
    const std::vector<int>& present = one.replicas->present;
    one.last = one.last.empty() ? AddBuckets(OpKind::kGradientReduction, present.front(), one.ring,
                                             draft_.options.communication.gradients)
                                : AddAgain(one.last, present.front());
    for (std::size_t r = 0; r < present.size(); ++r) {
      const int gradients = one.gradients[r][k];
      const bool overlaps = Overlaps(present[r]);
      for (std::size_t i = 0; i < one.last.size(); ++i) {
        NeedShare(one.last[i].begin, gradients, overlaps ? one.ring.buckets()[i].end : 1);
      }
      if (!overlaps) NextOnDevice(gradients, one.last.back().end);
      draft_.reduced[Index(present[r])] = one.last.back().end;
    }
  }

  /// Operations that complete a microbatch's gradients, in the order of the device.
  std::vector<int> GradientsOf(int s) const {
    std::vector<int> all;
    for (const int id : draft_.graph.queues[Index(draft_.StageAt(s).group)]) {
      const Operation& operation = draft_.graph.operations[Index(id)];
      if (operation.stage == s && GivesWeightGradient(operation.kind)) all.push_back(id);
    }
    return all;
  }

  /// Neighbours in a queue are neighbours in number.
  void NextOnDevice(int operation, int needed) {
    const int next = operation + 1;
    if (draft_.graph.operations[Index(next)].queue == draft_.graph.operations[Index(operation)].queue) {
      draft_.Need(next, needed);
    }
  }

  /// `reduced` starts once this share of the stage's gradients is complete.
  void NeedGradients(int reduced, int s, double share) {
    if (!Overlaps(s)) return NeedLastOf(reduced, s);
    NeedShare(reduced, LastGradient(s), share);
  }
  void NeedShare(int reduced, int gradients, double share) {
    if (share < 1 && draft_.graph.PartsOf(Index(gradients)).empty())
      return draft_.NeedPart(reduced, {gradients, share});
    draft_.Need(reduced, gradients);
  }

  /// Adds the buckets one after the other.
  std::vector<Moved> AddBuckets(OpKind kind, int first, const BucketedRing& ring, bool moves) {
    std::vector<Moved> added;
    double size = 0;
    for (const BucketedRing::Bucket& bucket : ring.buckets()) {
      const Operation operation{.kind = kind, .stage = first, .of_all_replicas = true};
      if (bucket.size == size) {
        added.push_back(AddAgain(added.back()));
      } else {
        Moved& one = added.emplace_back();
        for (const Communication& step : moves ? ring.Of(bucket) : std::vector<Communication>(1)) {
          const int id = draft_.AddCommunication(operation, step);
          if (one.begin == kNone) one.begin = id;
          if (one.end != kNone) draft_.Need(id, one.end);
          one.end = id;
        }
      }
      size = bucket.size;
      AfterOthersOf(added.back(), first);
    }
    return added;
  }

  Moved AddAgain(const Moved& one) {
    Moved again;
    for (int id = one.begin; id <= one.end; ++id) {
      const int added = draft_.AddAgain(id);
      if (again.begin == kNone) again.begin = added;
      if (again.end != kNone) draft_.Need(added, again.end);
      again.end = added;
    }
    return again;
  }
  std::vector<Moved> AddAgain(const std::vector<Moved>& buckets, int first) {
    std::vector<Moved> added;
    for (const Moved& one : buckets) {
      added.push_back(AddAgain(one));
      AfterOthersOf(added.back(), first);
    }
    return added;
  }

  /// Stages that share their devices reduce in the order in which their gradients are complete, where they need not
  /// wait for one another.
  std::vector<Copies> InOrderOfReduction(std::vector<Copies> copies) const {
    const auto earlier = [&](const Copies& a, const Copies& b) {
      const bool first = Overlaps(a.present.front());
      const auto last = [&](const Copies& one) { return LastGradient(ordered_at_[Index(one.present.front())]); };
      return first && Overlaps(b.present.front()) ? last(a) < last(b) : first;
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
    std::map<int, int> of_row;  // replicas of two directions tie theirs over the same devices, one after the other
    for (const Chain& chain : ChainsOf(draft_.layout)) {
      if (!draft_.cost.model().is_llm(chain.module) || !draft_.Included(chain.stages.front())) continue;
      const int last = chain.stages.back();
      const int first = EmbeddingStage(draft_.cost, draft_.layout, chain.stages);
      const Communication communication = TiedEmbeddingReduction(draft_.cost, draft_.layout, first, last);
      if (communication.flows.empty()) continue;
      const int tied = draft_.AddCommunication({.kind = OpKind::kGradientReduction, .stage = first, .to_stage = last},
                                               communication);
      const auto [entry, is_first] = of_row.try_emplace(draft_.layout.RowOf(chain.replica), tied);
      if (!is_first) draft_.Need(tied, std::exchange(entry->second, tied));
      for (const int s : {first, last}) {
        if (draft_.reduced[Index(s)] == kNone) {
          NeedLastOf(tied, s);
        } else {
          draft_.Need(tied, draft_.reduced[Index(s)]);
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
        for (const int needed : {draft_.reduced[Index(other)], tied_[Index(other)]}) {
          if (needed != kNone) draft_.Need(step, needed);
        }
      }
      stepped.push_back(step);
    }
    if (Gathers(replicas) && !draft_.cost.software().overlap_parameters) GatherParameters(replicas, stepped);
  }

  /// Weights that are whole on every rank, of which each has stepped a share.
  bool Gathers(const Copies& replicas) const {
    const bool llm = draft_.IsLlm(draft_.StageAt(replicas.present.front()).parts.front());
    const Sharding level = draft_.cost.software().sharding_of(llm);
    return Coupled(replicas) && (level == Sharding::kOptimizer || level == Sharding::kGradients);
  }

  /// After these optimizer steps; or, where there are none, what those of the step before left to gather: it begins
  /// with the step, and the stage's first forward uses the weights as they come.
  void GatherParameters(const Copies& replicas, const std::vector<int>& stepped) {
    const BucketedRing ring = BucketedRing::OfParameters(draft_.cost, draft_.layout, replicas.all);
    const std::vector<Moved> gathered =
        AddBuckets(OpKind::kParameterGather, replicas.present.front(), ring, draft_.options.communication.parameters);
    for (std::size_t i = 0; i < gathered.size(); ++i) {
      for (const int step : stepped) draft_.Need(gathered[i].begin, step);
      if (!stepped.empty()) continue;
      for (const int s : replicas.present) UseParameters(s, gathered[i].end, ring.buckets()[i].begin);
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
  void AfterOthersOf(const Moved& collective, int s) {
    const int device = draft_.StageAt(ordered_at_[Index(s)]).group;
    const auto [entry, is_first] = last_collective_.try_emplace(device, collective.end);
    if (!is_first) draft_.Need(collective.begin, std::exchange(entry->second, collective.end));
  }

  GraphDraft& draft_;
  std::vector<int> ordered_at_;         ///< [stage]
  std::map<int, int> last_collective_;  ///< by device group, where stages share it
  /// [stage]: what its optimizer step waits for beside its gradients: between tied embeddings both, for a replay that
  /// leaves that one out.
  std::vector<int> tied_;
};

}  // namespace

void AddStepEnd(GraphDraft& draft) { StepEnd(draft).Build(); }

}  // namespace dflop
