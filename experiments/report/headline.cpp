// Short enough to be read aloud: figures with two decimals, the full ones stand in the tables.
#include "experiments/report/headline.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/results/published_error.hpp"

namespace dflop {
namespace {

/// The policies with figures that fit, fastest first.
std::vector<const PolicyFigures*> Choices(const PointFigures& point) {
  std::vector<const PolicyFigures*> order = BySpeed(point);
  std::erase_if(order, [](const PolicyFigures* policy) { return !policy->figures.fits; });
  return order;
}

std::vector<std::string> BaselinesAt(const Report& report, const PointFigures& point) {
  std::vector<std::string> names = report.baselines;
  std::erase_if(names, [&](const std::string& name) { return point.Find(name) == nullptr; });
  return names;
}

/// "2.60× (2.56–2.63) over random-fixed", and whether the interval tells the two apart.
std::string GainOver(const PolicyFigures* baseline, const SeedInterval& speedup) {
  std::string text = Fixed(speedup.mean, 2) + "×";
  if (speedup.half_width) text += " (" + Fixed(Low(speedup), 2) + "–" + Fixed(High(speedup), 2) + ")";
  text += " over " + baseline->shown();
  if (!baseline->figures.fits) return text + ", which does not fit";
  if (speedup.half_width && Low(speedup) <= 1 && High(speedup) >= 1) text += ", not told apart";
  return text;
}

std::string JoinedGains(const std::vector<std::string>& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == parts.size() ? " and " : "; ") + parts[i];
  }
  return text;
}

std::string Gains(const Report& report, const PointFigures& point, const PolicyFigures& policy) {
  std::vector<std::string> gains;
  for (const std::string& name : BaselinesAt(report, point)) {
    const PolicyFigures* baseline = point.Find(name);
    if (const auto speedup = SpeedupOver(baseline, policy)) gains.push_back(GainOver(baseline, *speedup));
  }
  return JoinedGains(gains);
}

bool IsBaseline(const Report& report, const PolicyFigures& policy) {
  return std::find(report.baselines.begin(), report.baselines.end(), policy.policy) != report.baselines.end();
}

std::string VerdictAt(const Report& report, const PointFigures& point) {
  const std::vector<const PolicyFigures*> order = Choices(point);
  if (order.empty()) return "No policy runs and fits in " + point.title() + ".";
  const PolicyFigures& fastest = *order.front();
  const std::string time = DurationWithInterval(StepTime(fastest)) + " a step";
  if (point.policies.size() == 1) return fastest.shown() + " takes " + time + " in " + point.title() + ".";
  std::string text = fastest.shown() + " is fastest in " + point.title() + ", " + time;
  const std::string gains = Gains(report, point, fastest);
  if (!gains.empty()) text += ": " + gains;
  if (order.size() > 1 && !IsBaseline(report, *order[1])) {
    const auto lead = SpeedupOver(order[1], fastest);
    if (lead && lead->half_width && Low(*lead) <= 1) text += "; not told apart from " + order[1]->shown();
  }
  const auto other = std::find_if(order.begin(), order.end(),
                                  [&](const PolicyFigures* policy) { return !IsBaseline(report, *policy); });
  if (IsBaseline(report, fastest) && other != order.end()) {
    text += "; of the others, " + (*other)->shown() + " is best";
    if (const auto speedup = SpeedupOver(&fastest, **other)) text += " at " + GainOver(&fastest, *speedup);
  }
  return text + ".";
}

struct WinCount {
  std::string policy;
  std::size_t points = 0;
};

/// Who is fastest at how many points, the most first; points where nobody runs and fits do not count.
std::vector<WinCount> CountWins(const Report& report) {
  std::map<std::string, std::size_t> wins;
  for (const PointFigures& point : report.points) {
    const std::vector<const PolicyFigures*> order = Choices(point);
    if (!order.empty()) ++wins[order.front()->policy];
  }
  std::vector<WinCount> ranked;
  ranked.reserve(wins.size());
  for (const auto& [policy, points] : wins) ranked.push_back({policy, points});
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.points > b.points; });
  return ranked;
}

/// "dflop is fastest at all 8 points", "Fastest, of 8 points: dflop at 6; uniform-tuned at 2".
std::string WinsInWords(const Report& report, const std::string& places) {
  const std::vector<WinCount> wins = CountWins(report);
  if (wins.empty()) return "No policy runs and fits at any of the " + places;
  std::size_t decided = 0;
  std::vector<std::string> parts;
  for (const WinCount& win : wins) {
    decided += win.points;
    parts.push_back(win.policy + " at " + std::to_string(win.points));
  }
  const std::string all = std::to_string(decided) + " " + places;
  if (wins.size() == 1) return wins.front().policy + " is fastest at all " + all;
  return "Fastest, of " + all + ": " + JoinedGains(parts);
}

/// "; dflop reaches 0.91× to 0.98× over uniform-tuned": every policy that is no baseline, over the points of a sweep.
std::string RangesOverBaselines(const Report& report) {
  std::map<std::pair<std::string, std::string>, std::pair<double, double>> ranges;  // policy, baseline
  for (const PointFigures& point : report.points) {
    for (const PolicyFigures* policy : Choices(point)) {
      if (IsBaseline(report, *policy)) continue;
      for (const std::string& name : report.baselines) {
        const auto speedup = SpeedupOver(point.Find(name), *policy);
        if (!speedup) continue;
        const double mean = speedup->mean;
        const auto [entry, is_new] = ranges.try_emplace({policy->policy, name}, std::pair(mean, mean));
        auto& [least, most] = entry->second;
        least = std::min(least, mean), most = std::max(most, mean);
      }
    }
  }
  constexpr std::size_t kMostRanges = 4;  // a sentence is to be read
  if (ranges.size() > kMostRanges) return "";
  std::string text;
  for (const auto& [names, range] : ranges) {
    text += "; " + names.first + " reaches " + Fixed(range.first, 2) + "× to " + Fixed(range.second, 2) + "× over " +
            names.second;
  }
  return text;
}

std::string Grounds(const PointFigures& point) {
  const std::vector<const PolicyFigures*> order = Choices(point);
  if (order.empty()) return "";
  const PolicyFigures& fastest = *order.front();
  std::string text = "To believe it: peak memory " + Gibibytes(fastest.figures.peak_memory_bytes);
  if (point.device_memory_bytes) text += " of " + Gibibytes(*point.device_memory_bytes);
  text += "; " + Percent(fastest.figures.extrapolated_fraction) + " of its busy time is priced beyond measured shapes";
  if (order.size() > 1) {
    if (const auto share = ShareFaster(order[1]->under_draws, fastest.under_draws)) {
      text += "; with kernel costs drawn within their errors, against the next, " + order[1]->shown() + ", " +
              VerdictText(*share);
    }
  }
  if (!point.assumptions.is_null()) {
    const std::string error = PublishedErrorInWords(JsonReader(point.assumptions, point.title()));
    if (!error.empty()) text += "; step times: " + error;
  }
  if (!StepTime(fastest).seeds_agree) text += "; seeds chose different layouts";
  return text + ".";
}

}  // namespace

Headline MakeHeadline(const Report& report) {
  if (report.points.empty()) return {"The result holds no runs.", ""};
  const PointFigures& first = report.points.front();
  const bool several = report.points.size() > 1;
  if (several && !first.point.empty()) {
    return {WinsInWords(report, "points") + RangesOverBaselines(report) + ".", "At the first point. " + Grounds(first)};
  }
  const std::string others = several ? " " + WinsInWords(report, "scenarios") + "." : "";
  return {VerdictAt(report, first) + others, Grounds(first)};
}

}  // namespace dflop
