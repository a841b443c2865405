// Gradients are added up over the copies of a stage's layers, then its optimizer steps.
#include "sim/build/step_end.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>
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
    for (const Copies& replicas : InOrderOfReduction(copies)) ReduceGradients(replicas);
    ReduceTiedEmbeddings();
    for (const Copies& replicas : copies) StepOptimizer(replicas);
    draft_.StartBeside(beside_);
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
    const Operation reduction{
        .kind = OpKind::kGradientReduction, .stage = replicas.present.front(), .of_all_replicas = true};
    ReductionParts parts = draft_.options.communication.gradients
                               ? GradientReduction(draft_.cost, draft_.layout, replicas.all)
                               : ReductionParts{};
    if (!parts.beside_backward.flows.empty()) {
      const int begun = draft_.AddCommunication(reduction, std::move(parts.beside_backward));
      for (const int s : replicas.present) beside_[LastGradient(s)] = begun;
      AfterOthersOf(begun, replicas.present.front());
    }
    const int reduced = draft_.AddCommunication(reduction, std::move(parts.after_backward));
    for (const int s : replicas.present) {
      if (Overlaps(s)) {
        draft_.Need(reduced, LastGradient(s));
      } else {
        NeedLastOf(reduced, s);
      }
      reduced_[Index(s)] = reduced;
    }
    AfterOthersOf(reduced, replicas.present.front());
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
      Communication communication = TiedEmbeddingReduction(draft_.cost, draft_.layout, first, last);
      if (communication.flows.empty()) continue;
      const int tied = draft_.AddCommunication({.kind = OpKind::kGradientReduction, .stage = first, .to_stage = last},
                                               std::move(communication));
      for (const int s : {first, last}) {
        if (reduced_[Index(s)] == kNone) {
          NeedLastOf(tied, s);
        } else {
          draft_.Need(tied, reduced_[Index(s)]);
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
      for (const int other : draft_.StagesOf(draft_.StageAt(s).group)) {
        for (const int needed : {reduced_[Index(other)], tied_[Index(other)]}) {
          if (needed != kNone) draft_.Need(step, needed);
        }
      }
      stepped.push_back(step);
    }
    if (!Coupled(replicas) || !draft_.cost.software().distributed_optimizer) return;
    const int gathered = draft_.AddCommunication(
        {.kind = OpKind::kParameterGather, .stage = replicas.present.front(), .of_all_replicas = true},
        draft_.options.communication.parameters ? ParameterGather(draft_.cost, draft_.layout, replicas.all)
                                                : Communication{});
    for (const int step : stepped) draft_.Need(gathered, step);
    AfterOthersOf(gathered, replicas.present.front());
  }

  /// `waiting` starts after the last operation of the device that holds stage `s`.
  void NeedLastOf(int waiting, int s) {
    draft_.Need(waiting, draft_.graph.queues[Index(draft_.StageAt(s).group)].back());
  }

  /// Stages that share their devices send the collectives of the step's end one after the other.
  void AfterOthersOf(int collective, int s) {
    const auto [entry, is_first] = last_collective_.try_emplace(draft_.StageAt(s).group, collective);
    if (!is_first) draft_.Need(collective, std::exchange(entry->second, collective));
  }

  GraphDraft& draft_;
  std::map<int, int> last_collective_;   ///< by device group, where stages share it
  std::unordered_map<int, int> beside_;  ///< operation → communication that may start with it
  /// [stage]: operations that its optimizer step waits for. Between tied embeddings both, for a replay that leaves
  /// that one out.
  std::vector<int> reduced_, tied_;
};

}  // namespace

void AddStepEnd(GraphDraft& draft) { StepEnd(draft).Build(); }

}  // namespace dflop
