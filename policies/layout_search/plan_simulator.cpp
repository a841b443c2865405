// The cheap tests come first: state alone, then memory, then time; what the batch scheduler refuses does not fit.
#include "policies/layout_search/plan_simulator.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "sim/build/deadlock.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/plan/training_check.hpp"
#include "sim/step/step.hpp"

namespace dflop {
namespace {

/// No schedule beats the busiest device's work.
Seconds WorkOfBusiestStage(const StepCosts& costs) {
  Seconds busiest{0};
  for (std::size_t s = 0; s < costs.stages.size(); ++s) {
    Seconds sum = costs.optimizer[s];
    for (const PartCost& cost : costs.stages[s]) {
      sum += cost.forward.time + cost.backward.time + cost.weight_gradient.time;
    }
    busiest = std::max(busiest, sum);
  }
  return busiest;
}

/// A step in which nobody has a microbatch.
StepWork NoWork(const Layout& layout) {
  StepWork work;
  for (int module = 0; module < layout.modules(); ++module) {
    work.sequences.emplace_back(static_cast<std::size_t>(layout.replicas_of(module)));
  }
  return work;
}

}  // namespace

std::vector<std::vector<SampleShape>> PlanningBatches(const std::vector<SampleShape>& samples, int global_batch_size) {
  DFLOP_CHECK(!samples.empty() && global_batch_size > 0, "a planning sample and a batch size");
  const std::size_t size = static_cast<std::size_t>(global_batch_size);
  std::vector<std::vector<SampleShape>> batches(std::max<std::size_t>(1, samples.size() / size));
  std::size_t next = 0;
  for (auto& batch : batches) {
    for (std::size_t i = 0; i < size; ++i) batch.push_back(samples[next++ % samples.size()]);
  }
  return batches;
}

std::vector<int> MicrobatchCounts(int global_batch_size, int replicas) {
  std::vector<int> counts;
  const int most = global_batch_size / replicas;
  for (int i = 1; i <= most; i *= 2) {
    counts.push_back(i);
    if (i >= 2 && i / 2 * 3 <= most) counts.push_back(i / 2 * 3);
  }
  return counts;
}

PlanSimulator::PlanSimulator(const PlanningProblem& problem)
    : PlanSimulator(problem, PlanningBatches(problem.samples, problem.global_batch_size)) {}

PlanSimulator::PlanSimulator(const PlanningProblem& problem, std::vector<std::vector<SampleShape>> batches)
    : problem_(problem), batches_(std::move(batches)) {}

bool PlanSimulator::MemoryFits(const Job& job, const StepWork& work, std::span<const ReplicaClass> classes,
                               Candidate& candidate) {
  const MemoryUse use = PeakMemory(job, work, classes);
  candidate.peak_memory = std::max(candidate.peak_memory, use.peak);
  if (use.peak <= problem_.cost.cluster().smallest_memory() * (1.0 - kMemoryReserve)) return true;
  const std::string why = use.fits ? "leaves too little memory for batches unlike the planning sample" : use.too_large;
  candidate.fits = false;
  candidate.note = "does not fit: " + why;
  if (use.peak < least_peak_) {
    least_peak_ = use.peak;
    least_bad_ = job.layout.name + ": " + why;
  }
  return false;
}

/// Cheap tests before any batch is scheduled: the way it is trained; weights, gradients and optimizer state alone.
bool PlanSimulator::StateFits(const Layout& layout, Candidate& candidate) {
  const std::string why = WhyNotTrained(problem_.cost, layout);
  if (!why.empty()) {
    candidate.fits = false;
    candidate.note = why;
    if (least_bad_.empty()) least_bad_ = layout.name + ": " + why;
    return false;
  }
  const std::vector<DeviceOrder> orders(layout.groups.size());
  return MemoryFits({problem_.cost, layout, orders}, NoWork(layout), {}, candidate);
}

std::optional<PlanSimulator::Scheduled> PlanSimulator::Schedule(const Layout& layout, std::size_t first,
                                                                std::size_t last, Candidate& candidate) {
  Scheduled scheduled;
  bool schedule_allows = false;
  RandomStream random(problem_.seed, "planning/batcher" + (first > 0 ? "/" + std::to_string(first) : std::string()));
  try {
    scheduled.orders = OrdersOf(problem_.schedule, layout);
    if (problem_.cost.software().blocking_sends) {
      const std::string stuck = WhyDeadlocked({problem_.cost, layout, scheduled.orders});
      if (!stuck.empty()) throw Infeasible("deadlocks where messages between stages block: " + stuck);
    }
    schedule_allows = true;
    for (std::size_t b = first; b < last; ++b) {
      const auto& batch = batches_[b];
      ++scheduled_;
      BatchProblem problem = MakeBatchProblem(BatchContext{problem_.cost, layout, scheduled.orders, batch});
      problem.rehearsal = true;
      const BatchPlan plan = problem_.batcher.Schedule(problem, random);
      scheduled.work.push_back(DivideWork(plan, layout, problem_.cost, batch));
      const Job job{problem_.cost, layout, scheduled.orders};
      scheduled.own.push_back(OrdersOfStep(problem_.schedule, job, scheduled.work.back()));
    }
    return scheduled;
  } catch (const Infeasible& reason) {
    candidate.fits = false;
    candidate.note = reason.what();
    if (!schedule_allows && refusal_.empty()) refusal_ = layout.name + ": " + candidate.note;
    if (least_bad_.empty()) least_bad_ = layout.name + ": " + candidate.note;
    return std::nullopt;
  }
}

Candidate PlanSimulator::Fits(const Layout& layout) {
  Candidate candidate;
  candidate.name = layout.name;
  if (!StateFits(layout, candidate)) return candidate;
  const std::optional<Scheduled> scheduled = Schedule(layout, 0, batches_.size(), candidate);
  if (!scheduled) return candidate;
  for (std::size_t b = 0; b < scheduled->work.size(); ++b) {
    const Job job = scheduled->JobOf(b, problem_.cost, layout);
    const StepWork& work = scheduled->work[b];
    if (!MemoryFits(job, work, ReplicasToFold(job, work), candidate)) break;
  }
  return candidate;
}

Candidate PlanSimulator::Judge(const Layout& layout) {
  return JudgeOver(0, batches_.size(), layout, Seconds(std::numeric_limits<double>::infinity()));
}

Candidate PlanSimulator::JudgeOn(std::size_t batch, const Layout& layout, Seconds worth_below) {
  return JudgeOver(batch, batch + 1, layout, worth_below);
}

Candidate PlanSimulator::JudgeOver(std::size_t first, std::size_t last, const Layout& layout, Seconds worth_below) {
  Candidate candidate;
  candidate.name = layout.name;
  if (!StateFits(layout, candidate)) return candidate;
  const std::optional<Scheduled> scheduled = Schedule(layout, first, last, candidate);
  if (!scheduled) return candidate;
  const auto batches = static_cast<double>(last - first);
  Seconds sum{0};
  Seconds bound{0};
  for (std::size_t b = 0; b < scheduled->work.size(); ++b) {
    const Job job = scheduled->JobOf(b, problem_.cost, layout);
    const StepWork& work = scheduled->work[b];
    const std::vector<ReplicaClass> classes = ReplicasToFold(job, work);
    if (!MemoryFits(job, work, classes, candidate)) return candidate;
    const StepCosts costs = PriceStep(problem_.cost, layout, work, classes);
    bound += WorkOfBusiestStage(costs);
    if (bound >= worth_below * batches) {
      candidate.note = "its busiest device alone needs longer than the best layout";
      return candidate;
    }
    sum += replay_->Run(BuildGraph(job, work, costs, {.classes = classes})).makespan;
    ++simulated_;
  }
  candidate.predicted = sum / batches;
  return candidate;
}

}  // namespace dflop
