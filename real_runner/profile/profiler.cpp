// Launches come five at a time until they agree, a row's share of the budget is spent, or most of them are disturbed.
#include "real_runner/profile/profiler.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/progress.hpp"
#include "base/statistics.hpp"
#include "models/cost_errors.hpp"

namespace dflop {
namespace {

constexpr double kSmallSpread = 0.03;  // 10th to 90th percentile over the median
constexpr double kSaveEvery = 1;
constexpr double kShortestTime = 1e-9;  // what the clock can tell, and the least that a trace may hold
// A row ends early, once it has the least number of launches, after this share of the budget within these bounds.
constexpr double kRowShare = 1.0 / 200;
constexpr double kLeastRowSeconds = 0.1;
constexpr double kMostRowSeconds = 3;
constexpr double kPatience = 10;  // times that, where most launches are disturbed

double Spread(const std::vector<double>& seconds) { return Quantile(seconds, 0.9) - Quantile(seconds, 0.1); }

/// The mean of the middle two where the count is even.
class Run {
 public:
  Run(Backend& backend, const ProfilePlan& plan, const ProfileOptions& options)
      : backend_(backend),
        plan_(plan),
        options_(options),
        row_seconds_(std::clamp(options.budget_s * kRowShare, kLeastRowSeconds, kMostRowSeconds)) {
    const DeviceInfo device = backend.Describe();
    outcome_.trace.device = device.name;
    outcome_.trace.software = device.software;
    outcome_.planned = plan.rows.size();
  }

  ProfileOutcome Measure() {
    const double start = options_.now();
    double saved = start;
    Progress progress("profile", static_cast<std::size_t>(std::ceil(options_.budget_s)), options_.quiet);
    for (const CostRow& row : plan_.rows) {
      outcome_.stopped = options_.stop && options_.stop();
      if (outcome_.stopped) break;
      if (options_.now() - start >= options_.budget_s && !outcome_.trace.rows.empty()) break;
      MeasureRow(row);
      const double now = options_.now();
      AdvanceTo(now - start, progress);
      if (now - saved >= kSaveEvery && !outcome_.trace.rows.empty()) Save(), saved = now;
    }
    if (outcome_.trace.rows.empty()) throw RunError("not a single kernel could be measured" + FirstReason());
    Save();
    return std::move(outcome_);
  }

 private:
  void MeasureRow(const CostRow& wanted) {
    try {
      const std::unique_ptr<PreparedKernel> kernel = backend_.Prepare(wanted);
      backend_.Time(*kernel, kWarmUpLaunches);
      const std::vector<double> seconds = Launches(*kernel);
      if (static_cast<int>(seconds.size()) < kLeastLaunches) {
        Skip(wanted, "the machine is busy: only " + std::to_string(seconds.size()) + " launches ran undisturbed");
        return;
      }
      CostRow row = wanted;
      row.kernel = kernel->implementation();
      row.median = Seconds(std::max(kShortestTime, Median(seconds)));
      row.spread = Seconds(Spread(seconds));
      row.count = static_cast<int>(seconds.size());
      outcome_.trace.rows.push_back(std::move(row));
    } catch (const Unsupported& reason) {
      Skip(wanted, reason.what());
    }
  }

  /// Times of undisturbed launches, five at a time until they agree.
  std::vector<double> Launches(PreparedKernel& kernel) {
    std::vector<double> seconds;
    const double start = options_.now();
    for (int launched = 0; launched < 2 * kMostLaunches; launched += kLeastLaunches) {
      for (const TimedLaunch& launch : backend_.Time(kernel, kLeastLaunches)) {
        if (launch.disturbed) {
          ++outcome_.disturbed;
        } else {
          seconds.push_back(launch.seconds);
        }
      }
      if (static_cast<int>(seconds.size()) >= kMostLaunches) break;
      const double spent = options_.now() - start;
      if (spent > kPatience * row_seconds_) break;
      if (static_cast<int>(seconds.size()) < kLeastLaunches) continue;
      if (spent > row_seconds_ || Spread(seconds) <= kSmallSpread * Median(seconds)) break;
    }
    return seconds;
  }

  void Skip(const CostRow& row, const std::string& reason) {
    Json entry;
    entry["op"] = row.op;
    entry["direction"] = row.direction;
    entry["shape"] = ShapeJson(row);
    entry["reason"] = reason;
    skipped_.push_back(std::move(entry));
    ++outcome_.skipped;
  }

  void AdvanceTo(double elapsed, Progress& progress) {
    const auto whole = static_cast<std::size_t>(std::clamp(elapsed, 0.0, options_.budget_s));
    if (whole > shown_) progress.Advance(whole - shown_), shown_ = whole;
  }

  void Save() {
    Json method = options_.method;
    method["backend"] = backend_.name();
    method["statistic"] = "median of undisturbed launches; spread_s: 90th - 10th percentile";
    method["warm_up"] = kWarmUpLaunches;
    method["launches"] = Json::ArrayOf(std::vector<int>{kLeastLaunches, kMostLaunches});
    method["inputs"] = "random, in several sets together larger than the last cache, used in turn";
    method["budget_s"] = options_.budget_s;
    method["planned_rows"] = outcome_.planned;
    method["disturbed_launches"] = outcome_.disturbed;
    method["skipped"] = skipped_;
    outcome_.trace.method = method;
    WriteCostTrace(options_.out, outcome_.trace);
  }

  std::string FirstReason() const {
    const Json::Array& entries = skipped_.as<Json::Array>();
    return entries.empty() ? "" : ": " + entries.front().find("reason")->as<std::string>();
  }

  Backend& backend_;
  const ProfilePlan& plan_;
  const ProfileOptions& options_;
  const double row_seconds_;
  ProfileOutcome outcome_;
  Json skipped_ = Json::EmptyArray();
  std::size_t shown_ = 0;
};

}  // namespace

ProfileOutcome Profile(Backend& backend, const ProfilePlan& plan, const ProfileOptions& options) {
  return Run(backend, plan, options).Measure();
}

}  // namespace dflop
