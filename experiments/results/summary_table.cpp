// The two texts made of a summary: the terminal's table and table.csv.
#include <algorithm>
#include <charconv>
#include <span>
#include <string_view>

#include "base/text.hpp"
#include "experiments/results/aligned.hpp"
#include "experiments/results/extrapolation.hpp"
#include "experiments/results/figure_fields.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/results/hub_note.hpp"
#include "experiments/results/loading_note.hpp"
#include "experiments/results/summary.hpp"
#include "experiments/results/training_changes.hpp"
#include "experiments/results/training_table.hpp"

namespace dflop {
namespace {

using Cells = std::vector<std::string>;

/// As the terminal's column heads it, and what it is made of: "5.5 = 3.1 + 0.4 + 2.0 + 0.0".
std::string FigureCell(const FigureField& field, const RunFigures& figures) {
  std::string text = InUnitOfTables(field, figures);
  if (RoundsToNothing(figures.*field.value)) return text;
  const char* sign = " = ";
  for (const FigureField* part : PartsOf(field)) {
    text += sign + InUnitOfTables(*part, figures);
    sign = " + ";
  }
  return text;
}

Cells Heading(const std::vector<std::string>& baselines) {
  Cells cells = {"policy", "s/step"};
  for (const std::string& baseline : baselines) cells.insert(cells.end(), {"vs " + baseline, "faster in"});
  for (const FigureField& field : FigureFields()) {
    if (field.terminal != nullptr) cells.push_back(field.terminal);
  }
  cells.push_back("fits");
  return cells;
}

Cells RowCells(const SummaryRow& row, const std::vector<std::string>& baselines) {
  if (!row.infeasible.empty()) return {row.policy, "infeasible: " + row.infeasible};
  const std::string mark = IsMuchExtrapolated(row.figures.extrapolated_fraction) ? kExtrapolatedMark : "";
  Cells cells = {row.shown() + (row.changes_training.empty() ? "" : kTrainingMark) + mark,
                 WithInterval(row.step, row.step.mean < 1 ? 4 : 3)};
  for (const std::string& baseline : baselines) {
    const auto found = row.speedup.find(baseline);
    cells.push_back(found == row.speedup.end() ? "–" : baseline == row.policy ? "1" : WithInterval(found->second, 3));
    const auto share = row.faster.find(baseline);
    cells.push_back(share == row.faster.end() ? "–" : VerdictCell(share->second));
  }
  for (const FigureField& field : FigureFields()) {
    if (field.terminal != nullptr) cells.push_back(FigureCell(field, row.figures));
  }
  cells.push_back(row.figures.fits ? "yes" : "NO");
  return cells;
}

/// What the marks of all tables say, a line each.
std::string Notes(const std::vector<SummaryRow>& rows) {
  TrainingNote training;
  bool drawn = false;
  for (const SummaryRow& row : rows) {
    training.Add(row.policy, row.changes_training);
    drawn = drawn || !row.faster.empty();
  }
  std::string notes;
  if (drawn)
    notes += "faster in: of the draws of the kernel costs in their error band; ?: not decided by these costs\n";
  const bool much = std::any_of(rows.begin(), rows.end(), [](const SummaryRow& row) {
    return IsMuchExtrapolated(row.figures.extrapolated_fraction);
  });
  if (much) notes.append(kExtrapolatedNote).append("\n");
  const std::string changes = training.Text();
  return changes.empty() ? notes : notes + changes + "\n";
}

bool IsPlainNumber(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

/// A spreadsheet takes what begins so for a formula, quoted or not; an apostrophe before it says that it is text.
bool LooksLikeFormula(const std::string& text) {
  return !text.empty() && std::string_view("=+-@\t\r").find(text.front()) != std::string_view::npos &&
         !IsPlainNumber(text);
}

std::string Quoted(const std::string& text) {
  if (LooksLikeFormula(text)) return Quoted("'" + text);
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string Joined(const std::vector<std::string>& phrases) {
  std::string text;
  for (const std::string& phrase : phrases) text += (text.empty() ? "" : "; ") + phrase;
  return text;
}

std::string CsvLine(const Cells& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) line += (i == 0 ? "" : ",") + Quoted(cells[i]);
  return line + "\n";
}

/// What an interval's mark means, with the seeds that chose each layout of a policy: "dflop 3 + 2".
std::string Disagreements(const std::vector<std::string>& policies) {
  if (policies.empty()) return "";
  std::string text = kDisagreementMark;
  text += " seeds chose different layouts (";
  for (const std::string& policy : policies) text += (&policy == &policies.front() ? "" : ", ") + policy;
  return text + "; which, says table.csv): an interval over so few of them may be too narrow\n";
}

std::string SeedsByLayout(const SummaryRow& row) {
  std::string text = row.policy;
  for (const auto& [layout, seeds] : ChosenLayouts(row.seeds)) {
    text += (text.size() == row.policy.size() ? " " : " + ") + std::to_string(seeds);
  }
  return text;
}

/// One figure for each row of a block, in its order; "" where nothing was extrapolated.
std::string ExtrapolatedLine(std::span<const SummaryRow> block) {
  std::string text;
  bool any = false;
  for (const SummaryRow& row : block) {
    if (row.seeds.empty()) continue;
    const double fraction = row.figures.extrapolated_fraction;
    any = any || fraction > 0;
    text += (text.empty() ? "" : ", ") + row.policy + " " + Fixed(100 * fraction, 1) + " %" +
            (IsMuchExtrapolated(fraction) ? kExtrapolatedMark : "");
  }
  return any ? "priced beyond what was measured, of busy time: " + text + "\n" : "";
}

/// What the steps of a block's policies are a part of; "" where nobody asked.
std::string WholeRunLines(std::span<const SummaryRow> block) {
  std::vector<Cells> table = {{"the whole training"}};
  for (std::string& column : TrainingColumns()) table.front().push_back(std::move(column));
  LoadingNote loading;
  for (const SummaryRow& row : block) {
    if (!row.infeasible.empty()) continue;
    loading.Add(row.policy, row.figures);
    if (!HasTraining(row)) continue;
    Cells& cells = table.emplace_back(Cells{row.shown()});
    for (TrainingCell& cell : TrainingCells(row)) cells.push_back(std::move(cell.text));
  }
  std::string text;
  for (const std::string& line : loading.Lines()) text += line + "\n";
  return table.size() > 1 ? text + Aligned(table) : text;
}

/// What no row has is no column.
std::vector<const FigureField*> CsvColumns(const std::vector<SummaryRow>& rows) {
  std::vector<const FigureField*> columns;
  for (const FigureField& field : FigureFields()) {
    const bool there = !field.unless_zero || std::any_of(rows.begin(), rows.end(), [&](const SummaryRow& row) {
      return field.IsThere(row.figures);
    });
    if (field.in_csv && there) columns.push_back(&field);
  }
  return columns;
}

void AppendInterval(Cells& cells, const Interval* interval) {
  cells.push_back(interval != nullptr ? ShortestNumber(interval->mean) : "");
  cells.push_back(interval != nullptr && interval->half_width ? ShortestNumber(*interval->half_width) : "");
}

}  // namespace

std::string SummaryTable(const std::vector<SummaryRow>& rows, const std::vector<std::string>& baselines) {
  std::string text;
  for (std::size_t begin = 0; begin < rows.size();) {
    const SummaryRow& first = rows[begin];
    const std::size_t block = begin;
    text += (text.empty() ? "" : "\n") + first.scenario + (first.point.empty() ? "" : " at " + first.point) + "\n";
    std::vector<Cells> lines = {Heading(baselines)};
    std::vector<std::string> disagreeing;
    HubNote hub;
    for (; begin < rows.size() && rows[begin].scenario == first.scenario && rows[begin].point == first.point; ++begin) {
      lines.push_back(RowCells(rows[begin], baselines));
      if (rows[begin].infeasible.empty()) {
        hub.Add(rows[begin].policy, rows[begin].through_hub, rows[begin].figures.communication_encoder_llm);
      }
      if (!rows[begin].step.seeds_agree) disagreeing.push_back(SeedsByLayout(rows[begin]));
    }
    text +=
        Aligned(lines) + Disagreements(disagreeing) + ExtrapolatedLine(std::span(rows).subspan(block, begin - block));
    if (!hub.Text().empty()) text += hub.Text() + "\n";
    text += WholeRunLines(std::span(rows).subspan(block, begin - block));
  }
  return text + Notes(rows);
}

std::string SummaryCsv(const std::vector<SummaryRow>& rows, const std::vector<std::string>& baselines) {
  Cells heading = {"scenario", "point",         "policy",           "seeds",
                   "layouts",  "layouts_agree", "iteration_time_s", "iteration_time_s_half_width"};
  for (const std::string& baseline : baselines) {
    heading.insert(heading.end(), {"speedup_vs " + baseline, "speedup_vs " + baseline + " half_width",
                                   "faster_than " + baseline + " share"});
  }
  heading.insert(heading.end(), {"regret", "regret_half_width"});
  const std::vector<const FigureField*> columns = CsvColumns(rows);
  for (const FigureField* field : columns) heading.emplace_back(field->name);
  heading.insert(heading.end(), {"fits", "infeasible", "changes_training"});
  std::string text = CsvLine(heading);
  for (const SummaryRow& row : rows) {
    const bool figures = row.infeasible.empty();
    Cells cells = {row.scenario,
                   row.point,
                   row.shown(),
                   figures ? std::to_string(row.seeds.seeds.size()) : "",
                   LayoutsText(row.seeds),
                   figures ? (row.step.seeds_agree ? "true" : "false") : ""};
    AppendInterval(cells, figures ? &row.step : nullptr);
    for (const std::string& baseline : baselines) {
      const auto found = row.speedup.find(baseline);
      AppendInterval(cells, found != row.speedup.end() ? &found->second : nullptr);
      const auto share = row.faster.find(baseline);
      cells.push_back(share != row.faster.end() ? ShortestNumber(share->second) : "");
    }
    AppendInterval(cells, row.regret ? &*row.regret : nullptr);
    for (const FigureField* field : columns) {
      cells.push_back(figures ? ShortestNumber(row.figures.*(field->value)) : "");
    }
    cells.insert(cells.end(),
                 {figures ? (row.figures.fits ? "true" : "false") : "", row.infeasible, Joined(row.changes_training)});
    text += CsvLine(cells);
  }
  return text;
}

}  // namespace dflop
