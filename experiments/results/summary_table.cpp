// The two texts made of a summary: the terminal's table and table.csv.
#include <algorithm>
#include <charconv>
#include <span>
#include <string_view>

#include "base/text.hpp"
#include "base/text_table.hpp"
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

/// A terminal too narrow for all columns keeps the figures that decide between policies.
int Expendable(const FigureField& field) {
  const bool decides = field.value == &RunFigures::idle_fraction || field.value == &RunFigures::peak_memory_bytes;
  return decides ? 2 : 3;
}

std::vector<TableColumn> SummaryColumns(const std::vector<std::string>& baselines) {
  std::vector<TableColumn> columns = {{"policy", true}, {"s/step"}};
  for (const std::string& baseline : baselines) {
    const bool first = &baseline == &baselines.front();
    columns.push_back({"vs " + baseline, false, first ? 1 : 3});
    columns.push_back({"faster in", false, 3});
  }
  for (const FigureField& field : FigureFields()) {
    if (field.terminal != nullptr) columns.push_back({field.terminal, false, Expendable(field)});
  }
  columns.push_back({"fits"});
  return columns;
}

/// Of one block: what its rows have in common.
struct BlockLooks {
  int step_decimals = 3;
  const SummaryRow* fastest = nullptr;  ///< that fits; nullptr where there is nothing to choose from
};

BlockLooks LooksOf(std::span<const SummaryRow> block) {
  BlockLooks looks;
  std::size_t feasible = 0;
  for (const SummaryRow& row : block) {
    if (!row.infeasible.empty()) continue;
    ++feasible;
    if (row.step.mean < 1) looks.step_decimals = 4;
    const bool faster = looks.fastest == nullptr || row.step.mean < looks.fastest->step.mean;
    if (row.figures.fits && faster) looks.fastest = &row;
  }
  if (feasible < 2) looks.fastest = nullptr;
  return looks;
}

TableRow SummaryLine(const SummaryRow& row, const std::vector<std::string>& baselines, const BlockLooks& looks) {
  if (!row.infeasible.empty()) return {{row.policy, "infeasible: " + row.infeasible}, Paint::kWarning};
  const std::string mark = IsMuchExtrapolated(row.figures.extrapolated_fraction) ? kExtrapolatedMark : "";
  Cells cells = {row.shown() + (row.changes_training.empty() ? "" : kTrainingMark) + mark,
                 WithInterval(row.step, looks.step_decimals)};
  for (const std::string& baseline : baselines) {
    const auto found = row.speedup.find(baseline);
    cells.push_back(found == row.speedup.end() ? "–"
                    : baseline == row.policy   ? Fixed(1, 3)
                                               : WithInterval(found->second, 3));
    const auto share = row.faster.find(baseline);
    cells.push_back(share == row.faster.end() ? "–" : VerdictCell(share->second));
  }
  for (const FigureField& field : FigureFields()) {
    if (field.terminal != nullptr) cells.push_back(FigureCell(field, row.figures));
  }
  cells.push_back(row.figures.fits ? "yes" : "NO");
  return {std::move(cells), !row.figures.fits ? Paint::kBad : &row == looks.fastest ? Paint::kBest : Paint::kNone};
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

/// A table's text, and how much of it is not there.
struct TableText {
  std::string text;
  std::size_t left_out = 0;
  std::size_t columns = 0;

  void Append(const TextTable& table, const TextStyle& style) {
    text += table.Text(style);
    const std::size_t missing = table.LeftOut(style);
    if (missing <= left_out) return;
    left_out = missing;
    columns = table.columns();
  }
};

/// What the steps of a block's policies are a part of; nothing where nobody asked.
void AppendWholeRun(std::span<const SummaryRow> block, const TextStyle& style, TableText& into) {
  std::vector<TableColumn> columns = {{"the whole training", true}};
  for (std::string& column : TrainingColumns()) {
    columns.push_back({std::move(column), false, columns.size() < 4 ? 1 : 2});
  }
  TextTable table(std::move(columns));
  LoadingNote loading;
  for (const SummaryRow& row : block) {
    if (!row.infeasible.empty()) continue;
    loading.Add(row.policy, row.figures);
    if (!HasTraining(row)) continue;
    Cells cells = {row.shown()};
    for (TrainingCell& cell : TrainingCells(row)) cells.push_back(std::move(cell.text));
    table.Add({std::move(cells)});
  }
  for (const std::string& line : loading.Lines()) into.text += line + "\n";
  if (!table.empty()) into.Append(table, style);
}

/// One scenario at one point.
void AppendBlock(std::span<const SummaryRow> block, const std::vector<std::string>& baselines, const TextStyle& style,
                 TableText& into) {
  const SummaryRow& first = block.front();
  into.text += (into.text.empty() ? "" : "\n") + first.scenario + (first.point.empty() ? "" : " at " + first.point);
  into.text += "\n";
  const BlockLooks looks = LooksOf(block);
  TextTable table(SummaryColumns(baselines));
  std::vector<std::string> disagreeing;
  HubNote hub;
  for (const SummaryRow& row : block) {
    table.Add(SummaryLine(row, baselines, looks));
    if (row.infeasible.empty()) hub.Add(row.policy, row.through_hub, row.figures.communication_encoder_llm);
    if (!row.step.seeds_agree) disagreeing.push_back(SeedsByLayout(row));
  }
  table.AlignIntervals();
  into.Append(table, style);
  into.text += Disagreements(disagreeing) + ExtrapolatedLine(block);
  if (!hub.Text().empty()) into.text += hub.Text() + "\n";
  AppendWholeRun(block, style, into);
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

std::string SummaryTable(const std::vector<SummaryRow>& rows, const std::vector<std::string>& baselines,
                         const TextStyle& style) {
  TableText table;
  for (auto begin = rows.begin(); begin != rows.end();) {
    const auto end = std::find_if(begin, rows.end(), [&](const SummaryRow& row) {
      return row.scenario != begin->scenario || row.point != begin->point;
    });
    AppendBlock({begin, end}, baselines, style, table);
    begin = end;
  }
  return Wrapped(table.text + LeftOutNote(table.left_out, table.columns) + Notes(rows), style);
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
