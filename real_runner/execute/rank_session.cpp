// Rank 0 judges each execution and tells the others; only then are pages cleared, so all attempt the same one next.
#include "real_runner/execute/rank_session.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/index.hpp"

namespace dflop {
namespace {

/// For a rank that has nothing to do.
class NoWorker final : public StageWorker {
 public:
  void Prepare(const StepProgram&, std::size_t) override {}
  Span Run(const Action&) override { return {}; }
  Span StepOptimizer(int) override { return {}; }
  Payload Pack(const Message&) override { return {}; }
  void Unpack(const Message&, Payload) override {}
  std::span<float> CollectiveValues(Collective::What, int) override { return {}; }
};

/// `reductions`: of the step, every bucket of an overlapped one by itself.
std::size_t EventsOf(const StepProgram& program, std::size_t rank, std::size_t reductions) {
  const RankProgram& mine = program.ranks[rank];
  std::size_t events = mine.actions.size() + reductions + mine.stages.size() + mine.gathers.size();
  for (const Action& action : mine.actions) events += action.receives.size();
  for (const Relay& relay : mine.relays) events += relay.in.size();
  return events;
}

}  // namespace

std::size_t MostEvents(const std::vector<Plan>& plans) {
  std::size_t most = 0;
  for (const Plan& plan : plans) {
    for (std::size_t step = 0; step < plan.steps.size(); ++step) {
      const StepProgram program = MakeStepProgram(plan, step);
      const auto& operations = plan.steps[step].operations;
      const auto reductions =
          std::count_if(operations.begin(), operations.end(),
                        [](const PlannedOperation& operation) { return operation.kind == OpKind::kGradientReduction; });
      for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
        most = std::max(most, EventsOf(program, rank, static_cast<std::size_t>(reductions)));
      }
    }
  }
  return most;
}

RankSession::RankSession(const std::vector<Plan>& plans, const StageBackend& backend, const SessionOptions& options,
                         Transport& transport, Ledger& ledger)
    : plans_(plans),
      backend_(backend),
      options_(options),
      transport_(transport),
      ledger_(ledger),
      page_(ledger.page(transport.rank())) {
  page_.Begin(static_cast<int>(getpid()));
  transport.SetWatch([this] {
    const std::string broken = ledger_.WhyBroken();
    if (!broken.empty()) throw RunError(broken);
  });
}

void RankSession::Run() {
  for (const Plan& plan : plans_) {
    const bool wanted = transport_.rank() < RanksOf(plan);
    workers_.push_back(wanted ? backend_.make_worker(plan, transport_.rank()) : std::make_unique<NoWorker>());
  }
  for (int i = 0; i < options_.warm_up; ++i) Repeat(i, false);
  for (int i = 0; i < options_.repeats; ++i) Repeat(i, true);
}

void RankSession::Repeat(int repeat, bool keep) {
  for (std::size_t plan = 0; plan < plans_.size(); ++plan) {
    for (std::size_t step = 0; step < plans_[plan].steps.size(); ++step) {
      current_ = {plan, step, repeat, 0, {}};
      while (!Attempt(current_, keep)) ++current_.rejected;
    }
  }
}

/// Whether the execution counts.
bool RankSession::Attempt(const Execution& execution, bool keep) {
  const Plan& plan = plans_[execution.plan];
  program_ = MakeStepProgram(plan, execution.step, backend_.whole_pairs);
  links_ = backend_.links(plan, execution.step, program_);
  StageWorker& worker = *workers_[execution.plan];
  worker.Prepare(program_, execution.step);
  ExecuteStep(program_, links_, worker, transport_, page_);
  bool counts = true;
  if (transport_.rank() == 0) {
    Execution done = execution;
    done.measured = ReadLedger(ledger_, plan, execution.step, backend_.time_scale, true);
    const bool last = execution.rejected + 1 >= options_.attempts;
    const double disturbed = std::max(done.measured.lost_share(), done.measured.executor_share());
    counts = !keep || last || disturbed <= options_.most_lost;
    if (keep && counts) executions_.push_back(std::move(done));
  }
  counts = Agree(counts);
  page_.Clear();
  return counts;
}

/// What rank 0 says, on every rank; once all have heard it the pages may be cleared.
bool RankSession::Agree(bool rank_0_says) {
  constexpr std::int64_t kVerdict = std::int64_t{-1} << 33;
  if (transport_.rank() == 0) {
    for (int other = 1; other < transport_.size(); ++other) {
      transport_.Send(other, {kVerdict, rank_0_says ? 1.0 : 0.0});
    }
    return rank_0_says;
  }
  return transport_.Wait(kVerdict).start_s > 0;
}

void RankSession::AddBroken() {
  Execution broken = current_;
  broken.measured = ReadLedger(ledger_, plans_[broken.plan], broken.step, backend_.time_scale, false);
  executions_.push_back(std::move(broken));
}

}  // namespace dflop
