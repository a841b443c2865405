// Margins and shares of the budget stand on top, each with what it is for.
#include "policies/layout_search/layout_race.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/index.hpp"
#include "policies/layout_search/overflow_advice.hpp"

namespace dflop {
namespace {

// Kept of every lane while choices are enumerated; whatever comes behind is expected to be slower.
constexpr std::size_t kWaiting = 8192;
// A rung keeps what is slower than its best by no more than this share, or by kSpread/√(samples of a batch): how far a
// batch's step time strays from the mean over batches falls with the root of its samples, and so does how far the
// difference of two layouts strays; most where samples are dealt at random.
constexpr double kFirstMargin = 0.05;
constexpr double kSecondMargin = 0.02;
constexpr double kSpread = 1;
constexpr std::size_t kSecondBatches = 3;
// Shares of the budget for the first two rungs.
constexpr double kFirstShare = 0.6;
constexpr double kSecondShare = 0.25;
// How fast the ratio of simulated to expected time follows the last simulation.
constexpr double kFollow = 0.3;
// So many budgets are spent on finding anything that fits.
constexpr std::size_t kPatience = 4;
// So many simulations cost less than a search that tries to save some.
constexpr std::size_t kAffordable = 512;
const Seconds kNever{std::numeric_limits<double>::infinity()};

// A direct communicator sends from every encoder replica to every LLM replica. Simulating a step of more messages than
// these takes minutes and gigabytes.
constexpr double kMostMessages = 2e6;

double Messages(const LayoutChoice& choice) {
  if (choice.spread()) return 1.0 * choice.llm.pp * choice.llm.dp * choice.llm.dp * choice.microbatches * choice.llm.tp;
  if (choice.family != LayoutFamily::kSeparateDirect) return 0;
  double most = 0;
  for (const ModuleDegrees& encoder : choice.encoders) {
    most = std::max(most, 1.0 * encoder.dp * std::max(encoder.tp, choice.llm.tp));
  }
  return most * choice.llm.dp * choice.microbatches;
}

/// What is likely to fit comes first, by time; the rest by memory, for it is wanted only where nothing else fits.
std::pair<bool, double> Rank(const StepEstimate& estimate, double ratio) {
  if (!estimate.likely_fits) return {true, estimate.bytes.value()};
  return {false, estimate.expected.value() * ratio};
}

bool ExpectedEarlier(const Runner& a, const Runner& b) { return Rank(a.estimate, 1) < Rank(b.estimate, 1); }

bool Faster(const Runner& a, const Runner& b) {
  if (a.steps.size() != b.steps.size()) return a.steps.size() > b.steps.size();
  return a.mean() < b.mean();
}

}  // namespace

std::vector<std::vector<SampleShape>> RaceBatches(const PlanningProblem& problem) {
  std::vector<std::vector<SampleShape>> batches(kRaceBatches);
  batches[0] = PlanningBatches(problem.samples, problem.global_batch_size).front();
  RandomStream random(problem.seed, "planning/resample");
  for (std::size_t b = 1; b < kRaceBatches; ++b) {
    for (int i = 0; i < problem.global_batch_size; ++i) {
      batches[b].push_back(problem.samples[random.Below(problem.samples.size())]);
    }
  }
  return batches;
}

Seconds Runner::mean() const {
  if (steps.empty()) return kNever;
  return std::accumulate(steps.begin(), steps.end(), Seconds(0)) / static_cast<double>(steps.size());
}

LayoutRace::LayoutRace(const std::vector<PlanningProblem>& variants, ChoiceSpace space, bool uneven_layers,
                       std::size_t budget)
    : variants_(variants),
      space_(std::move(space)),
      uneven_layers_(uneven_layers),
      budget_(budget > 0 ? budget : SIZE_MAX / (2 * kPatience)) {
  ratio_.fill(1);
  const auto batches = RaceBatches(variants.front());
  for (const PlanningProblem& problem : variants_) {
    estimates_.emplace_back(problem, batches.front());
    simulators_.emplace_back(problem, batches);
  }
}

Layout LayoutRace::Build(const LayoutChoice& choice) const {
  const CostModel& cost = variants_.front().cost;
  return BuildLayout(choice, cost.model(), cost.cluster());
}

bool LayoutRace::AllMeetEveryBatch() const {
  std::size_t layouts = 0;
  for (const auto& [key, lane] : lanes_) layouts += lane.waiting.size();
  return layouts * kRaceBatches <= std::min(budget_, kAffordable);
}

/// How many times as long as the best a layout may take that has met so many batches.
double LayoutRace::Margin(std::size_t batches) const {
  if (AllMeetEveryBatch()) return std::numeric_limits<double>::infinity();
  const double samples = static_cast<double>(batches) * variants_.front().global_batch_size;
  return 1 + std::max(batches == 1 ? kFirstMargin : kSecondMargin, kSpread / std::sqrt(samples));
}

std::size_t LayoutRace::spent() const {
  std::size_t spent = 0;
  for (const PlanSimulator& simulator : simulators_) spent += simulator.scheduled();
  return spent;
}

void LayoutRace::RememberOverflow(const Runner& runner, Bytes peak) {
  if (peak >= nearest_peak_) return;
  nearest_peak_ = peak;
  nearest_ = runner;
}

std::string LayoutRace::WhyNothingFits() const {
  if (!nearest_) return "no " + space_.what + " exists: the global batch has fewer samples than there are replicas";
  for (const PlanSimulator& simulator : simulators_) {
    if (!simulator.refusal().empty()) {
      return "no " + space_.what + " that memory may hold has a pipeline that the schedule allows, as " +
             simulator.refusal();
    }
  }
  const auto variant = Index(nearest_->variant);
  return "no " + space_.what + " fits into memory; the least bad: " +
         WhyTooLarge(variants_[variant], simulators_[variant].batches(), Build(nearest_->choice));
}

void LayoutRace::Enlist(Runner runner) {
  ++counts_.choices;
  runner.estimate = estimates_[Index(runner.variant)].Of(runner.choice);
  if (!runner.estimate.state_fits) {
    ++counts_.state;
    RememberOverflow(runner, runner.estimate.bytes);
    return;
  }
  if (Messages(runner.choice) > kMostMessages) {
    ++counts_.messages;
    return;
  }
  const LayoutChoice& choice = runner.choice;
  Lane& lane = lanes_[{runner.variant, static_cast<int>(choice.family), choice.llm.tp, choice.llm.pp,
                       choice.spread() ? choice.encoders.front().tp : choice.encoder_tp, choice.llm.cp}];
  lane.family = choice.family;
  lane.waiting.push_back(std::move(runner));
  if (lane.waiting.size() < 2 * kWaiting) return;
  std::nth_element(lane.waiting.begin(), lane.waiting.begin() + kWaiting, lane.waiting.end(), ExpectedEarlier);
  counts_.left += lane.waiting.size() - kWaiting;
  lane.waiting.resize(kWaiting);
}

void LayoutRace::Enter(int variant) {
  space_.for_each(variants_[Index(variant)], [&](LayoutChoice choice, const std::vector<int>& counts) {
    const int stages = choice.llm.pp * choice.chunks - choice.encoder_stages;
    choice.splits = variants_[Index(variant)].schedule.splits();
    for (const int count : counts) {
      choice.microbatches = count;
      choice.fewer_last = 0;
      Enlist({choice, variant, {}});
      if (!uneven_layers_ || stages < 2) continue;
      choice.fewer_last = estimates_[Index(variant)].FewerForHead(choice, stages);
      if (choice.fewer_last > 0) Enlist({choice, variant, {}});
    }
  });
}

/// A lane without a simulation is taken to be like its family.
double LayoutRace::Ratio(const Lane& lane) const {
  return lane.ratio.value_or(ratio_[static_cast<std::size_t>(lane.family)]);
}

void LayoutRace::Learn(Lane& lane, double ratio) {
  lane.ratio = lane.ratio ? *lane.ratio + kFollow * (ratio - *lane.ratio) : ratio;
  double& family = ratio_[static_cast<std::size_t>(lane.family)];
  family += kFollow * (ratio - family);
}

/// The lane whose next layout is expected to be fastest by what is known of the lane.
LayoutRace::Lane* LayoutRace::NextLane() {
  Lane* best = nullptr;
  std::pair<bool, double> least;
  for (auto& [key, lane] : lanes_) {
    if (lane.next == lane.waiting.size()) continue;
    const auto rank = Rank(lane.waiting[lane.next].estimate, Ratio(lane));
    if (best != nullptr && rank >= least) continue;
    best = &lane;
    least = rank;
  }
  return best;
}

/// On its next batch. False when it left the race.
bool LayoutRace::Simulate(Runner& runner, Seconds worth_below) {
  PlanSimulator& simulator = simulators_[Index(runner.variant)];
  const std::size_t before = simulator.simulated();
  runner.met = true;
  Candidate judged = simulator.JudgeOn(runner.steps.size(), Build(runner.choice), worth_below);
  const auto& progress = variants_.front().progress;
  if (progress) progress(std::min(spent(), budget_), budget_);
  judged.peak_memory = std::max(judged.peak_memory, runner.candidate.peak_memory);
  runner.candidate = std::move(judged);
  if (simulator.simulated() > before) {
    runner.steps.push_back(runner.candidate.predicted);
    return true;
  }
  ++(runner.candidate.fits ? counts_.busiest : counts_.memory);
  if (!runner.candidate.fits) RememberOverflow(runner, std::max(runner.candidate.peak_memory, Bytes(1)));
  retired_.push_back(std::move(runner));
  return false;
}

void LayoutRace::FirstRung() {
  const auto allowed = static_cast<std::size_t>(static_cast<double>(budget_) * kFirstShare);
  Seconds best = kNever;
  // What does not fit counts, but does not soon keep the race from finding something that does.
  while (spent() < (best < kNever ? allowed : kPatience * allowed)) {
    Lane* lane = NextLane();
    if (lane == nullptr) return;
    Runner& runner = lane->waiting[lane->next++];
    if (runner.estimate.bound >= best * Margin(1)) {
      ++counts_.bounded;
      continue;
    }
    if (!Simulate(runner, best * Margin(1))) continue;
    ++counts_.simulated;
    best = std::min(best, runner.steps.front());
    Learn(*lane, runner.steps.front() / runner.estimate.expected);
    running_.push_back(std::move(runner));
  }
  CountTheRest(best * Margin(1));
}

void LayoutRace::CountTheRest(Seconds worth_below) {
  for (const auto& [key, lane] : lanes_) {
    for (std::size_t i = lane.next; i < lane.waiting.size(); ++i) {
      ++(lane.waiting[i].estimate.bound >= worth_below ? counts_.bounded : counts_.left);
    }
  }
}

/// Up to `batches` batches for at most `most` of what is within the margin of the best.
void LayoutRace::NextRung(std::size_t batches, std::size_t most) {
  std::sort(running_.begin(), running_.end(), Faster);
  std::vector<Runner> field = std::exchange(running_, {});
  const Seconds worth = field.empty() ? kNever : field.front().mean() * Margin(field.front().steps.size());
  for (Runner& runner : field) {
    // What turns out not to fit makes room for the next one.
    if (!running_.empty() && (runner.mean() > worth || running_.size() == most)) {
      retired_.push_back(std::move(runner));
      continue;
    }
    if (Finishes(runner, batches)) running_.push_back(std::move(runner));
  }
}

bool LayoutRace::Finishes(Runner& runner, std::size_t batches) {
  while (runner.steps.size() < batches) {
    if (!Simulate(runner, kNever)) return false;
  }
  return true;
}

/// For when none of the fast ones fits every batch: the first that does of those that were left for being slow, the
/// simulated ones first.
void LayoutRace::LookAtTheRest() {
  std::vector<Runner> slow;
  const auto fits = [](const Runner& runner) { return runner.candidate.fits; };
  const auto first = std::stable_partition(retired_.begin(), retired_.end(), std::not_fn(fits));
  std::move(first, retired_.end(), std::back_inserter(slow));
  retired_.erase(first, retired_.end());
  std::sort(slow.begin(), slow.end(), Faster);
  for (Runner& runner : slow) {
    if (!running_.empty()) {
      retired_.push_back(std::move(runner));
    } else if (Finishes(runner, kRaceBatches)) {
      running_.push_back(std::move(runner));
    }
  }
  for (auto& [key, lane] : lanes_) lane.next = 0;
  const std::size_t allowed = spent() + kPatience * budget_;
  while (running_.empty() && spent() < allowed) {
    Lane* lane = NextLane();
    if (lane == nullptr) return;
    Runner& runner = lane->waiting[lane->next++];
    if (!runner.met && Finishes(runner, kRaceBatches)) running_.push_back(std::move(runner));
  }
}

std::vector<Runner> LayoutRace::Run() {
  for (int variant = 0; variant < static_cast<int>(variants_.size()); ++variant) Enter(variant);
  for (auto& [key, lane] : lanes_) std::sort(lane.waiting.begin(), lane.waiting.end(), ExpectedEarlier);
  FirstRung();
  const auto share = [&](double part, std::size_t batches) {
    if (AllMeetEveryBatch()) return running_.size();
    return std::max<std::size_t>(2, static_cast<std::size_t>(static_cast<double>(budget_) * part) / batches);
  };
  NextRung(1 + kSecondBatches, share(kSecondShare, kSecondBatches));
  NextRung(kRaceBatches, share(1 - kFirstShare - kSecondShare, kRaceBatches - 1 - kSecondBatches));
  if (running_.empty()) LookAtTheRest();
  std::sort(running_.begin(), running_.end(), Faster);
  std::sort(retired_.begin(), retired_.end(), Faster);
  for (const PlanSimulator& simulator : simulators_) counts_.simulations += simulator.simulated();
  std::move(retired_.begin(), retired_.end(), std::back_inserter(running_));
  return std::exchange(running_, {});
}

}  // namespace dflop
