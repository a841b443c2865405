// A change counts when the paired interval over the seeds leaves no doubt or every seed shows it, beyond the tolerance.
#include "experiments/results/comparison.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/statistics.hpp"
#include "base/text.hpp"
#include "experiments/results/figure_fields.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/results/result_rows.hpp"

namespace dflop {
namespace {

/// One thing to say of a row.
struct Finding {
  Verdict verdict = Verdict::kUnchanged;
  std::string text;
};

/// A figure of every seed that both results have.
struct Pairs {
  std::vector<double> stored;
  std::vector<double> fresh;
};

enum class Direction { kSame, kUp, kDown, kUndecided };

Verdict ToVerdict(Direction direction, Direction worse) {
  if (direction == Direction::kSame) return Verdict::kUnchanged;
  if (direction == Direction::kUndecided) return Verdict::kUndecided;
  return direction == worse ? Verdict::kRegression : Verdict::kImprovement;
}

/// Decimals with which a number has three significant digits.
int Decimals(double value) {
  if (value == 0) return 2;
  return std::clamp(2 - static_cast<int>(std::floor(std::log10(std::abs(value)))), 0, 12);
}

/// "21.3 -> 22.1 s"
std::string BeforeAndAfter(double stored, double fresh, const std::string& unit) {
  return Fixed(stored, Decimals(stored)) + " -> " + Fixed(fresh, Decimals(fresh)) + unit;
}

/// "+3.75 % ± 0.21"
std::string Change(const Interval& ratio) {
  const double change = 100 * (ratio.mean - 1);
  const double half_width = 100 * ratio.half_width.value_or(0);
  const int decimals = Decimals(std::max(std::abs(change), half_width));
  return Format("%+.*f %%", decimals, change) + (ratio.half_width ? " ± " + Fixed(half_width, decimals) : "");
}

/// A paired ratio, its verdict, and how many seeds stand behind it.
class PairedChange {
 public:
  PairedChange(const Pairs& pairs, double tolerance)
      : ratio_(RatioOfMeans(pairs.fresh, pairs.stored)), tolerance_(tolerance), seeds_(pairs.stored.size()) {
    for (std::size_t i = 0; i < seeds_; ++i) {
      const double own = pairs.fresh[i] / pairs.stored[i];
      up_ += pairs.fresh[i] > pairs.stored[i] ? 1 : 0;
      down_ += pairs.fresh[i] < pairs.stored[i] ? 1 : 0;
      all_up_ = all_up_ && own > 1 + tolerance;
      all_down_ = all_down_ && own < 1 - tolerance;
    }
  }

  Direction direction() const {
    const double half = ratio_.half_width.value_or(0);
    const double low = ratio_.mean - half;
    const double high = ratio_.mean + half;
    if (ratio_.mean > 1 + tolerance_ && (low > 1 || all_up_)) return Direction::kUp;
    if (ratio_.mean < 1 - tolerance_ && (high < 1 || all_down_)) return Direction::kDown;
    const bool within = low >= 1 - tolerance_ && high <= 1 + tolerance_;
    return within ? Direction::kSame : Direction::kUndecided;
  }

  std::string text(const char* up, const char* down) const {
    std::string text = " (" + Change(ratio_);
    if (direction() == Direction::kUndecided) {
      text += Format(": %s with %zu, %s with %zu of %zu seeds", up, up_, down, down_, seeds_);
    } else if (direction() != Direction::kSame && SpansOne()) {
      text += Format(", %s with all %zu seeds", direction() == Direction::kUp ? up : down, seeds_);
    }
    return text + ")";
  }

 private:
  bool SpansOne() const { return std::abs(ratio_.mean - 1) <= ratio_.half_width.value_or(0); }

  Interval ratio_;
  double tolerance_;
  std::size_t seeds_;
  std::size_t up_ = 0;
  std::size_t down_ = 0;
  bool all_up_ = true;
  bool all_down_ = true;
};

double Mean(const std::vector<double>& values) { return MeanInterval(values).mean; }

std::string SeedList(const std::vector<std::int64_t>& seeds) {
  std::string text = seeds.size() == 1 ? "seed " : "seeds ";
  for (std::size_t i = 0; i < seeds.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(seeds[i]);
  return text;
}

/// Equal up to what another order of adding up makes of a figure; hashes tell the least change of a time.
bool SameFigures(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    constexpr double kRounding = 1e-12;
    return std::abs(a.number() - b.number()) <= kRounding * std::max({1.0, std::abs(a.number()), std::abs(b.number())});
  }
  if (a.is<Json::Array>() && b.is<Json::Array>()) {
    const Json::Array& x = a.as<Json::Array>();
    const Json::Array& y = b.as<Json::Array>();
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), SameFigures);
  }
  if (a.is<Json::Object>() && b.is<Json::Object>()) {
    const Json::Object& x = a.as<Json::Object>();
    const Json::Object& y = b.as<Json::Object>();
    return x.size() == y.size() && std::all_of(x.begin(), x.end(), [&](const Json::Member& member) {
             const Json* other = b.find(member.key);
             return other != nullptr && SameFigures(member.value, *other);
           });
  }
  return a == b;
}

/// Keys in which two runs differ: those of the run and, in the place of "metrics", the metrics' own.
void AddDifferingKeys(const Json& stored, const Json& fresh, std::vector<std::string>& keys) {
  const auto add = [&](const std::string& key, const Json* a, const Json* b) {
    const bool equal = a != nullptr && b != nullptr && SameFigures(*a, *b);
    if (equal || IsWallClock(key) || key == "point") return;  // a point's axes may stand in another order
    if (key == "metrics" && a != nullptr && b != nullptr) return AddDifferingKeys(*a, *b, keys);
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  };
  for (const Json::Member& member : stored.as<Json::Object>()) add(member.key, &member.value, fresh.find(member.key));
  for (const Json::Member& member : fresh.as<Json::Object>()) {
    if (stored.find(member.key) == nullptr) add(member.key, nullptr, &member.value);
  }
}

/// One row of the stored result beside the new one.
class RowJudge {
 public:
  explicit RowJudge(double tolerance) : tolerance_(tolerance) {}

  /// Either may be nullptr, but not both.
  void Add(std::int64_t seed, const StoredRun* stored, const StoredRun* fresh) {
    seeds_.push_back(seed);
    if (stored == nullptr) {
      new_.push_back(seed);
    } else if (fresh == nullptr) {
      missing_.push_back(seed);
    } else {
      Compare(seed, *stored, *fresh);
    }
  }

  /// Of entries that stand for every seed.
  void AddInfeasible(const StoredRun& stored, const StoredRun& fresh) {
    AddDifferingKeys(stored.run.json(), fresh.run.json(), differing_);
  }

  RowComparison Judge(const std::string& name) {
    Say(Verdict::kRegression, "is missing", missing_);
    Say(Verdict::kRegression, "became infeasible: " + reason_, infeasible_);
    Say(Verdict::kRegression, "does not fit into memory any more", too_large_);
    Say(Verdict::kImprovement, "became feasible", feasible_);
    Say(Verdict::kImprovement, "fits into memory now", fitting_);
    Say(Verdict::kOtherChange, "is new", new_);
    if (!step_.stored.empty()) JudgeFigures();
    std::stable_sort(findings_.begin(), findings_.end(),
                     [](const Finding& a, const Finding& b) { return a.verdict < b.verdict; });
    SayWhatElseDiffers();
    RowComparison row{name, Verdict::kUnchanged, ""};
    if (!findings_.empty()) row.verdict = findings_.front().verdict;
    for (const Finding& finding : findings_) row.text += (row.text.empty() ? "" : "; ") + finding.text;
    return row;
  }

 private:
  void Compare(std::int64_t seed, const StoredRun& stored, const StoredRun& fresh) {
    AddDifferingKeys(stored.run.json(), fresh.run.json(), differing_);
    if (!stored.infeasible.empty() && !fresh.infeasible.empty()) return;
    if (!stored.infeasible.empty()) return feasible_.push_back(seed);
    if (!fresh.infeasible.empty()) {
      if (infeasible_.empty()) reason_ = fresh.infeasible;
      return infeasible_.push_back(seed);
    }
    const RunFigures& before = stored.figures;
    const RunFigures& after = fresh.figures;
    if (before.fits != after.fits) (before.fits ? too_large_ : fitting_).push_back(seed);
    AddPair(before.iteration_time_s, after.iteration_time_s, step_);
    AddPair(before.mfu, after.mfu, mfu_);
    AddPair(before.peak_memory_bytes, after.peak_memory_bytes, peak_);
  }

  static void AddPair(double stored, double fresh, Pairs& pairs) {
    pairs.stored.push_back(stored);
    pairs.fresh.push_back(fresh);
  }

  void Say(Verdict verdict, const std::string& what, const std::vector<std::int64_t>& seeds) {
    if (seeds.empty()) return;
    findings_.push_back({verdict, what + (seeds.size() == seeds_.size() ? "" : " (" + SeedList(seeds) + ")")});
  }

  void JudgeFigures() {
    JudgePaired("step ", step_, " s", Direction::kUp, "slower", "faster");
    JudgeMemory();
    // A model without floating-point work has no utilisation that could fall.
    if (Mean(mfu_.stored) > 0) JudgePaired("MFU ", mfu_, "", Direction::kDown, "higher", "lower");
  }

  void JudgePaired(const char* figure, const Pairs& pairs, const char* unit, Direction worse, const char* up,
                   const char* down) {
    const PairedChange change(pairs, tolerance_);
    const Verdict verdict = ToVerdict(change.direction(), worse);
    if (verdict == Verdict::kUnchanged) return;
    findings_.push_back(
        {verdict, figure + BeforeAndAfter(Mean(pairs.stored), Mean(pairs.fresh), unit) + change.text(up, down)});
  }

  void JudgeMemory() {
    const double stored = *std::max_element(peak_.stored.begin(), peak_.stored.end());
    const double fresh = *std::max_element(peak_.fresh.begin(), peak_.fresh.end());
    const bool grew = fresh > stored * (1 + tolerance_);
    if (!grew && !(fresh < stored * (1 - tolerance_))) return;
    std::string text = "peak memory " + BeforeAndAfter(stored / kGibibyte, fresh / kGibibyte, " GiB");
    if (stored > 0) text += " (" + Change({fresh / stored, std::nullopt}) + ")";
    findings_.push_back({grew ? Verdict::kRegression : Verdict::kImprovement, text});
  }

  // Beside figures only the layout matters to the reader; alone, every key is named.
  void SayWhatElseDiffers() {
    if (differing_.empty()) return;
    if (findings_.empty()) {
      findings_.push_back({Verdict::kOtherChange, "differs in " + JoinNames(differing_)});
    } else if (std::find(differing_.begin(), differing_.end(), "layout") != differing_.end()) {
      findings_.push_back({Verdict::kOtherChange, "another layout"});
    }
  }

  double tolerance_;
  std::vector<std::int64_t> seeds_;
  std::vector<std::int64_t> missing_;
  std::vector<std::int64_t> new_;
  std::vector<std::int64_t> infeasible_;
  std::vector<std::int64_t> feasible_;
  std::vector<std::int64_t> too_large_;
  std::vector<std::int64_t> fitting_;
  std::string reason_;
  Pairs step_;
  Pairs mfu_;
  Pairs peak_;
  std::vector<std::string> differing_;
  std::vector<Finding> findings_;
};

/// The seeds of both sides. A side of entries that stand for every seed alone has whatever the other has.
std::set<std::int64_t> CommonSeeds(const JsonReader& stored, const std::set<std::int64_t>& in_stored,
                                   const std::set<std::int64_t>& in_fresh) {
  if (in_stored.empty()) return in_fresh;
  if (in_fresh.empty()) return in_stored;
  std::set<std::int64_t> common;
  std::set_intersection(in_stored.begin(), in_stored.end(), in_fresh.begin(), in_fresh.end(),
                        std::inserter(common, common.end()));
  if (common.empty()) {
    stored.At("runs").Fail("has the " + SeedList({in_stored.begin(), in_stored.end()}) + ", the experiment the " +
                           SeedList({in_fresh.begin(), in_fresh.end()}) + ": no run is in both");
  }
  return common;
}

std::vector<std::int64_t> Without(const std::set<std::int64_t>& seeds, const std::set<std::int64_t>& common) {
  std::vector<std::int64_t> rest;
  std::set_difference(seeds.begin(), seeds.end(), common.begin(), common.end(), std::back_inserter(rest));
  return rest;
}

std::size_t RunsAmong(const ResultRow& row, const std::set<std::int64_t>& common) {
  std::size_t count = row.of_all_seeds ? 1 : 0;
  for (const auto& [seed, run] : row.by_seed) count += common.count(seed);
  return count;
}

RowComparison CompareRow(const ResultRow& stored, const ResultRow& fresh, const std::set<std::int64_t>& common,
                         double tolerance) {
  RowJudge judge(tolerance);
  for (const std::int64_t seed : common) {
    if (stored.by_seed.count(seed) + fresh.by_seed.count(seed) > 0) {
      judge.Add(seed, stored.Find(seed), fresh.Find(seed));
    }
  }
  if (stored.of_all_seeds && fresh.of_all_seeds) judge.AddInfeasible(*stored.of_all_seeds, *fresh.of_all_seeds);
  return judge.Judge(stored.name);
}

}  // namespace

std::size_t Comparison::Count(Verdict verdict) const {
  return static_cast<std::size_t>(
      std::count_if(rows.begin(), rows.end(), [&](const RowComparison& row) { return row.verdict == verdict; }));
}

Comparison CompareResults(const JsonReader& stored, const JsonReader& fresh, double tolerance) {
  const std::vector<ResultRow> stored_rows = ReadRows(stored);
  const std::vector<ResultRow> fresh_rows = ReadRows(fresh);
  const std::set<std::int64_t> stored_seeds = SeedsOf(stored_rows);
  const std::set<std::int64_t> fresh_seeds = SeedsOf(fresh_rows);
  const std::set<std::int64_t> common = CommonSeeds(stored, stored_seeds, fresh_seeds);
  std::map<std::string, const ResultRow*> unmatched;
  for (const ResultRow& row : fresh_rows) unmatched.emplace(row.key, &row);
  Comparison comparison;
  comparison.seeds_only_stored = Without(stored_seeds, common);
  comparison.seeds_only_fresh = Without(fresh_seeds, common);
  for (const ResultRow& row : stored_rows) {
    const std::size_t runs = RunsAmong(row, common);
    const auto found = unmatched.find(row.key);
    if (runs > 0) {
      ++comparison.stored_rows;
      comparison.runs += runs;
      comparison.rows.push_back(found == unmatched.end() ? RowComparison{row.name, Verdict::kRegression, "is missing"}
                                                         : CompareRow(row, *found->second, common, tolerance));
    }
    if (found != unmatched.end() && runs > 0) unmatched.erase(found);
  }
  for (const ResultRow& row : fresh_rows) {
    if (unmatched.contains(row.key)) comparison.rows.push_back({row.name, Verdict::kNew, "is new"});
  }
  return comparison;
}

void CheckComparable(const JsonReader& stored, const std::vector<std::int64_t>& seeds) {
  CommonSeeds(stored, SeedsOf(ReadRows(stored)), {seeds.begin(), seeds.end()});
}

}  // namespace dflop
