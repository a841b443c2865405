// The graph of a step with nothing to do has all the dependencies of one with something.
#include "sim/build/deadlock.hpp"

#include "base/index.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/graph/precedence.hpp"

namespace dflop {
namespace {

StepWork NothingToDo(const Layout& layout, const ModelSpec& model) {
  const auto microbatches = Index(layout.units());
  StepWork work;
  for (int module = 0; module < layout.modules(); ++module) {
    work.sequences.emplace_back(Index(layout.replicas_of(module)), std::vector<SequenceBatch>(microbatches));
  }
  work.tiles.assign(model.encoders.size(), {Index(layout.llm_replicas()), std::vector<std::int64_t>(microbatches)});
  return work;
}

}  // namespace

std::string WhyDeadlocked(const Job& job) { return WhyDeadlocked(job, NothingToDo(job.layout, job.cost.model())); }

std::string WhyDeadlocked(const Job& job, const StepWork& work) {
  return Precedence::WhyStuck(BuildGraph(job, work, NoCosts(job.cost, job.layout)));
}

}  // namespace dflop
