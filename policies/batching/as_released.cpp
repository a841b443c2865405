// dflop-as-released: the batch scheduler of DFLOP's released code, which differs from the paper's (facts read off
// github.com/BDAI-Research/DFLOP, scheduler.py; nothing copied).
//
// The same program with these differences: costs are whole numbers, int(1e4·seconds), after both are divided by their
// module's data-parallel degree too; one constant throughput per module, that of the planner's operating point; every
// bucket holds at least one sample; no memory, no LPT, no correction. CP-SAT with seed 42 gets 10 s, any feasible plan
// is accepted, a second attempt gets 100 s, then it is an error. Bucket j is microbatch j div L_dp of LLM replica
// j mod L_dp.
//
// Guessed: our costs already are such per-tile and per-sequence costs at the mean microbatch, the encoder's scaled by
// L_dp/E_dp, so that dividing all by L_dp gives theirs. CBC stands for CP-SAT: "max_nodes" nodes for the 10 s and ten
// times as many for the 100 s, beginning from samples dealt in turn, as any solver has some plan after 10 s. Which plan
// CP-SAT had then nobody can say; for programs of more than "max_binaries" variables, which CBC cannot begin to solve,
// LPT stands in for it; the policy's name then says so wherever its figures stand. With the buckets of the real solver
// ("buckets") the released pair is exact.
#include <cmath>
#include <memory>
#include <utility>

#include "policies/api/registry.hpp"
#include "policies/batching_search/batch_checks.hpp"
#include "policies/batching_search/equal_counts.hpp"
#include "policies/batching_search/ilp_fallback.hpp"
#include "policies/batching_search/integer_program.hpp"

namespace dflop {
namespace {

constexpr double kUnitsPerSecond = 1e4;

class AsReleasedBatcher final : public BatchScheduler {
 public:
  AsReleasedBatcher(int max_nodes, std::int64_t max_binaries) : max_nodes_(max_nodes), max_binaries_(max_binaries) {}

  BatchPlan Schedule(const BatchProblem& problem, RandomStream& random) override {
    CheckBatch(problem);
    if (std::optional<BatchPlan> plan = PlanWithoutSolver(problem, max_binaries_, random)) return *plan;
    const IntegerProgram program = ProgramOf(problem);
    for (const int nodes : {max_nodes_, 10 * max_nodes_}) {
      IntegerProgramAnswer answer = SolveIntegerProgram(program, {nodes, {}});
      if (!answer.buckets.empty()) return PlanOfBuckets(problem, std::move(answer.buckets));
    }
    throw Infeasible("the released scheduler's program found no plan in either of its two attempts");
  }

  /// Our trainer weights microbatches so that the gradient stays the global batch's (GradientWeights).
  std::string ChangesTraining() const override {
    return "the released trainer adds up mean losses of unequal microbatches, which weights their tokens unequally";
  }

 private:
  static IntegerProgram ProgramOf(const BatchProblem& problem) {
    IntegerProgram program{problem.costs, problem.buckets(), true, {}};
    for (auto& dimension : program.costs) {
      for (double& cost : dimension) cost = std::floor(kUnitsPerSecond * cost / problem.replicas);
    }
    program.start.resize(static_cast<std::size_t>(problem.buckets()));
    for (int i = 0; i < problem.samples(); ++i) {
      program.start[static_cast<std::size_t>(i % problem.buckets())].push_back(i);
    }
    return program;
  }

  int max_nodes_;
  std::int64_t max_binaries_;
};

const Registration<BatchScheduler> kAsReleased{
    {"dflop-as-released",
     "the batch scheduler of DFLOP's released code: whole-number costs, any feasible plan (github BDAI-Research/DFLOP)",
     {{.name = "max_nodes",
       .type = Parameter::Integer{1, 100'000'000},
       .standard = 100,
       .help = "branch-and-bound nodes of CBC"},
      {.name = "max_binaries",
       .type = Parameter::Integer{1, 10'000'000},
       .standard = 1'500,
       .help = "samples × buckets above which lpt-2d stands in"}}},
    [](const Parameters& given) {
      return std::make_unique<AsReleasedBatcher>(static_cast<int>(given.Int("max_nodes")), given.Int("max_binaries"));
    }};

}  // namespace
}  // namespace dflop
