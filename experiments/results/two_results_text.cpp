// Long values and lists are shortened here; --json has them whole.
#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "base/text_table.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/results/two_results.hpp"

namespace dflop {
namespace {

constexpr std::size_t kMostDifferences = 24;
constexpr std::size_t kMostNames = 12;

/// The beginning of a long value: of a hash or a commit as much as people compare by eye.
std::string Short(const InputDifference& difference, const std::optional<Json>& value) {
  if (!value) return "nothing";
  const bool is_hash = difference.kind == "inputs" || difference.key == "git_commit";
  const std::size_t most = is_hash ? 12 : 48;
  const std::string text = Plain(*value);
  std::string begin;
  std::size_t columns = 0;
  for (const char c : text) {
    if (StartsCharacter(c) && ++columns > most) return begin + "…";
    begin += c;
  }
  return text;
}

std::string PlacesText(const std::vector<std::string>& places) {
  if (places.empty()) return "";
  if (places.size() > 3) return ", in " + std::to_string(places.size()) + " places";
  return ", in " + JoinNames(places);
}

std::string DifferencesText(const TwoResults& comparison) {
  if (comparison.differences.empty()) return "the inputs are equal, and so is the program\n";
  // Of one place there is nothing to tell apart.
  const bool one_place = std::all_of(comparison.rows.begin(), comparison.rows.end(), [&](const ComparedRow& row) {
    return row.scenario == comparison.rows.front().scenario && row.point == comparison.rows.front().point;
  });
  std::string text = "what differs, A -> B:\n";
  std::size_t shown = 0;
  for (const InputDifference& difference : comparison.differences) {
    if (difference.kind == "assumptions" && ++shown > kMostDifferences) continue;
    text += "  " + difference.key + "  " + Short(difference, difference.a) + " -> " + Short(difference, difference.b) +
            (one_place ? "" : PlacesText(difference.places)) + "\n";
  }
  if (shown > kMostDifferences) {
    text += "  … and " + std::to_string(shown - kMostDifferences) + " more of the assumptions: --json has all\n";
  }
  return text;
}

std::string ResultLine(const char* letter, const JsonReader& result) {
  std::string text = std::string(letter) + ": " + result.file() + ", experiment " + result.At("experiment").String();
  const auto provenance = result.Find("provenance");
  const Json* commit = provenance ? provenance->json().find("git_commit") : nullptr;
  const Json* dirty = provenance ? provenance->json().find("git_dirty") : nullptr;
  if (commit != nullptr && commit->is<std::string>()) text += ", commit " + commit->as<std::string>().substr(0, 12);
  if (dirty != nullptr && *dirty == Json(true)) text += " with local changes";
  return text + "\n";
}

std::string SeedsInWords(const std::vector<std::int64_t>& seeds) {
  std::string text = seeds.size() == 1 ? "seed" : "seeds";
  for (const std::int64_t seed : seeds) text += (seed == seeds.front() ? " " : ", ") + std::to_string(seed);
  return text;
}

/// What the column B/A holds, by the seeds that its rows rest on.
std::string RatioNote(const std::vector<ComparedRow>& rows) {
  std::vector<std::string> notes;
  for (const ComparedRow& row : rows) {
    if (!row.has_figures()) continue;
    const std::string note = row.paired ? "paired over the " + SeedsInWords(row.a.seeds)
                                        : "unpaired and so without interval, A has the " + SeedsInWords(row.a.seeds) +
                                              ", B the " + SeedsInWords(row.b.seeds);
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }
  if (notes.empty()) return "";
  std::string text = "B/A: of the mean step times, ± the 95 % interval; ";
  for (const std::string& note : notes) text += (&note == &notes.front() ? "" : "; or ") + note;
  return text + "\nmoved most: of the causes of idle time, B - A in points of the device time\n";
}

std::vector<TableColumn> ComparisonColumns() {
  return {{"policy", true},
          {"A s/step"},
          {"B s/step"},
          {"B/A"},
          {"moved most", true, 1},
          {"layout", true, 2},
          {"decisions", true, 2},
          {"fits A, B", true, 3},
          {"peak A GiB", false, 3},
          {"peak B GiB", false, 3},
          {"idle A %", false, 3},
          {"idle B %", false, 3},
          {"MFU A %", false, 3},
          {"MFU B %", false, 3}};
}

std::string OthersText(const std::optional<std::size_t>& others, std::size_t seeds) {
  if (!others) return "–";
  if (*others == 0) return "same";
  return *others == seeds ? "other" : std::to_string(*others) + " of " + std::to_string(seeds) + " other";
}

std::string YesNo(bool value) { return value ? "yes" : "NO"; }

TableRow FigureRow(const ComparedRow& row, int decimals, Paint paint) {
  const RunFigures& a = row.a.figures;
  const RunFigures& b = row.b.figures;
  const MovedCause moved = MostMovedCause(row);
  const std::string half_width = row.ratio->half_width ? Fixed(*row.ratio->half_width, 3) : "–";
  const bool still = std::abs(moved.change) < 0.0005;
  return {
      {row.policy, Fixed(a.iteration_time_s, decimals), Fixed(b.iteration_time_s, decimals),
       Fixed(row.ratio->mean, 3) + " ± " + half_width, still ? "–" : moved.name + Format(" %+.1f", 100 * moved.change),
       OthersText(row.other_layouts, row.a.seeds.size()), OthersText(row.other_decisions, row.a.seeds.size()),
       YesNo(a.fits) + ", " + YesNo(b.fits), Fixed(a.peak_memory_bytes / kGibibyte, 1),
       Fixed(b.peak_memory_bytes / kGibibyte, 1), Fixed(100 * a.idle_fraction, 1), Fixed(100 * b.idle_fraction, 1),
       Fixed(100 * a.mfu, 1), Fixed(100 * b.mfu, 1)},
      paint};
}

/// Of a row where a side has no figures.
std::string InfeasibleText(const ComparedRow& row) {
  if (row.a.infeasible == row.b.infeasible) return "infeasible in both: " + row.a.infeasible;
  std::string text;
  if (!row.a.infeasible.empty()) text = "infeasible in A: " + row.a.infeasible;
  if (!row.b.infeasible.empty()) text += (text.empty() ? "" : "; ") + ("infeasible in B: " + row.b.infeasible);
  return text;
}

TextTable PlaceTable(const std::vector<const ComparedRow*>& rows, const RankOrder* order) {
  int decimals = 3;
  for (const ComparedRow* row : rows) {
    const bool small =
        row->has_figures() && std::min(row->a.figures.iteration_time_s, row->b.figures.iteration_time_s) < 1;
    if (small) decimals = 4;
  }
  TextTable table(ComparisonColumns());
  for (const ComparedRow* row : rows) {
    if (!row->has_figures()) {
      table.Add({{row->policy, InfeasibleText(*row)}, Paint::kWarning});
      continue;
    }
    const bool best = order != nullptr && row->policy == order->in_b.front();
    table.Add(FigureRow(*row, decimals, !row->b.figures.fits ? Paint::kBad : best ? Paint::kBest : Paint::kNone));
  }
  table.AlignIntervals();
  return table;
}

std::string Chain(const std::vector<std::string>& policies) {
  std::string text;
  for (const std::string& policy : policies) text += (text.empty() ? "" : " < ") + policy;
  return text;
}

std::string RankText(const RankOrder& order) {
  if (order.in_a == order.in_b) return "";
  std::string text;
  if (order.other_fastest()) {
    text = "the fastest was " + order.in_a.front() + ", is " + order.in_b.front();
    const bool within = order.lead && order.lead->mean - order.lead->half_width.value_or(0) <= 1;
    if (within) text += " (by " + Fixed(order.lead->mean, 3) + ", within the 95 % interval)";
    text += "\n";
  }
  return text + "by step time: A " + Chain(order.in_a) + "; B " + Chain(order.in_b) + "\n";
}

std::string NamesText(const char* where, const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMostNames); ++i) {
    text += std::string("only in ") + where + ": " + names[i] + "\n";
  }
  if (names.size() > kMostNames) {
    text += std::string("only in ") + where + ": " + std::to_string(names.size() - kMostNames) +
            " more rows, --json has all\n";
  }
  return text;
}

const RankOrder* OrderOf(const TwoResults& comparison, const ComparedRow& row) {
  for (const RankOrder& order : comparison.ranks) {
    if (order.scenario == row.scenario && order.point == row.point) return &order;
  }
  return nullptr;
}

}  // namespace

std::string TwoResultsText(const TwoResults& comparison, const JsonReader& a, const JsonReader& b,
                           const TextStyle& style) {
  std::string text = ResultLine("A", a) + ResultLine("B", b);
  if (comparison.matched_by != "scenario, point and policy") {
    text += "their scenarios have different names: matched by " + comparison.matched_by + "\n";
  }
  text += DifferencesText(comparison);
  std::size_t left_out = 0;
  for (auto begin = comparison.rows.begin(); begin != comparison.rows.end();) {
    std::vector<const ComparedRow*> here;
    const ComparedRow& first = *begin;
    for (; begin != comparison.rows.end() && begin->scenario == first.scenario && begin->point == first.point;
         ++begin) {
      here.push_back(&*begin);
    }
    const RankOrder* order = OrderOf(comparison, first);
    const TextTable table = PlaceTable(here, order);
    text += "\n" + first.scenario + (first.point.empty() ? "" : " at " + first.point) + "\n" + table.Text(style);
    if (order != nullptr) text += RankText(*order);
    left_out = std::max(left_out, table.LeftOut(style));
  }
  text += "\n" + LeftOutNote(left_out, ComparisonColumns().size()) + RatioNote(comparison.rows);
  return Wrapped(text + NamesText("A", comparison.only_a) + NamesText("B", comparison.only_b), style);
}

}  // namespace dflop
