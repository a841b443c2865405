// Rates count what a row's operation does: FLOPs, parameters, logits, tokens, launches or bytes.
#include "experiments/profile/trace_report.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "models/cost_errors.hpp"

namespace dflop {
namespace {

std::string TimeText(Seconds time) {
  const double us = time.value() * 1e6;
  return us < 1000 ? Format("%.3g µs", us) : us < 1e6 ? Format("%.3g ms", us / 1e3) : Format("%.3g s", us / 1e6);
}

/// What a row's rate counts, and in which unit it is shown.
struct RateUnit {
  const char* name;
  double size;
};

RateUnit UnitOf(const CostRow& row) {
  if (row.op == "gemm" || row.op.starts_with("attention")) return {"TFLOP/s", 1e12};
  if (row.op == "optimizer") return {"G parameters/s", 1e9};
  if (row.op == "loss") return {"G logits/s", 1e9};
  if (row.op == "layer") return {"k tokens/s", 1e3};
  return row.op == "launch" ? RateUnit{"M launches/s", 1e6} : RateUnit{"GB/s", 1e9};
}

double SquaresOf(const std::vector<std::int64_t>& lengths) {
  double sum = 0;
  for (const std::int64_t length : lengths) sum += static_cast<double>(length) * static_cast<double>(length);
  return sum;
}

/// Work per second; a gradient is counted as the forward it belongs to.
double Rate(const CostRow& row) {
  if (row.op == "layer") return row.dimension("tokens") / row.median.value();
  double work = IsPacked(row.op) ? SquaresOf(row.lengths) : 1;
  for (const auto& [name, size] : row.shape) {
    if (name == "kv_heads" || name == "ranks") continue;
    work *= name == "seq" ? size * size : size;
  }
  const bool multiplied = row.op == "gemm" || row.op == "attention_causal" || IsPacked(row.op);
  const double per_element = row.op == "attention_full" ? 4 : multiplied ? 2 : 1;
  return per_element * work / row.median.value();
}

std::string GroupName(const CostRow& row) { return row.op + ", " + row.direction + ", " + row.dtype; }

using Group = std::vector<const CostRow*>;

std::map<std::string, Group> Groups(const CostTrace& trace) {
  std::map<std::string, Group> groups;
  for (const CostRow& row : trace.rows) groups[GroupName(row)].push_back(&row);
  return groups;
}

int Octave(double size) { return static_cast<int>(std::floor(std::log2(std::max(size, 1.0)) + 1e-9)); }

std::string DimensionText(const Group& group, std::size_t dimension) {
  std::set<double> sizes;
  std::set<int> octaves;
  for (const CostRow* row : group) {
    sizes.insert(row->shape[dimension].second);
    octaves.insert(Octave(row->shape[dimension].second));
  }
  std::string gaps;
  for (int octave = *octaves.begin(); octave <= *octaves.rbegin(); ++octave) {
    if (octaves.count(octave) == 0) gaps += Format("%s2^%d", gaps.empty() ? "" : ", ", octave);
  }
  return Format("  %-9s %.0f – %.0f, %zu sizes; ", group.front()->shape[dimension].first.c_str(), *sizes.begin(),
                *sizes.rbegin(), sizes.size()) +
         (gaps.empty() ? "no gap" : "no row from " + gaps + " to its double") + "\n";
}

/// How many cells of one octave per dimension hold a row, of those inside the ranges.
std::string CoverageText(const Group& group) {
  std::set<std::vector<int>> cells;
  std::vector<std::set<int>> octaves(group.front()->shape.size());
  for (const CostRow* row : group) {
    std::vector<int> cell;
    for (std::size_t d = 0; d < row->shape.size(); ++d) {
      cell.push_back(Octave(row->shape[d].second));
      octaves[d].insert(cell.back());
    }
    cells.insert(cell);
  }
  double box = 1;
  for (const std::set<int>& range : octaves) box *= *range.rbegin() - *range.begin() + 1;
  return Format("  together  %zu of %.0f cells of one octave each hold a row\n", cells.size(), box);
}

std::string LengthsText(const std::vector<std::int64_t>& lengths) {
  std::string text;
  for (const std::int64_t length : lengths) text += (text.empty() ? "" : "+") + std::to_string(length);
  return text;
}

std::string ShapeText(const CostRow& row) {
  std::string text;
  for (const auto& [name, size] : row.shape) text += Format("%s%s %.0f", text.empty() ? "" : ", ", name.c_str(), size);
  if (!row.lengths.empty()) text += ", lengths " + LengthsText(row.lengths);
  return row.direction == "forward" ? text : text + ", " + row.direction;
}

std::string GroupText(const std::string& name, const Group& group) {
  const auto [shortest, longest] = std::minmax_element(
      group.begin(), group.end(), [](const CostRow* a, const CostRow* b) { return a->median < b->median; });
  const auto [slowest, fastest] = std::minmax_element(
      group.begin(), group.end(), [](const CostRow* a, const CostRow* b) { return Rate(*a) < Rate(*b); });
  std::set<std::string> shapes;
  for (const CostRow* row : group) shapes.insert(ShapeText(*row));
  const RateUnit unit = UnitOf(*group.front());
  std::string text = name + Format(": %zu rows, %zu shapes\n", group.size(), shapes.size());
  text += "  time      " + TimeText((*shortest)->median) + " – " + TimeText((*longest)->median) + "\n";
  text += Format("  rate      %.3g – %.4g %s\n", Rate(**slowest) / unit.size, Rate(**fastest) / unit.size, unit.name);
  for (std::size_t d = 0; d < group.front()->shape.size(); ++d) text += DimensionText(group, d);
  return text + (group.front()->shape.size() > 1 ? CoverageText(group) : "");
}

/// Rows of equal keys answer each other's questions; a pack is priced by rows of equal sequences.
std::string AnswerKey(const CostRow& row) {
  if (IsMemoryBound(row.op)) return "memory";
  return (IsPacked(row.op) ? "attention_causal" : row.op) + "/" + row.direction;
}

std::string WorstText(const CostTrace& trace, std::vector<RowError> errors, int worst) {
  std::stable_sort(errors.begin(), errors.end(), [](const RowError& a, const RowError& b) {
    return std::abs(std::log1p(a.relative)) > std::abs(std::log1p(b.relative));
  });
  std::string text;
  for (std::size_t i = 0; i < errors.size() && i < static_cast<std::size_t>(worst); ++i) {
    const CostRow& row = trace.rows[errors[i].row];
    text += Format("  %+6.1f %%  ", 100 * errors[i].relative) + ShapeText(row) + ": measured " + TimeText(row.median) +
            ", predicted " + TimeText(errors[i].predicted) + (errors[i].extrapolated ? " (extrapolated)" : "") + "\n";
  }
  return text;
}

std::string SummaryLine(const std::string& op, const std::vector<RowError>& errors) {
  const ErrorSummary summary = Summarise(errors);
  const auto extrapolated = std::count_if(errors.begin(), errors.end(), [](const auto& e) { return e.extrapolated; });
  return Format("%-17s %8zu %8.1f %% %8.1f %% %+8.1f %% %12.1f %%\n", op.c_str(), summary.rows, 100 * summary.median,
                100 * summary.p90, 100 * summary.bias,
                100 * static_cast<double>(extrapolated) / static_cast<double>(summary.rows));
}

}  // namespace

std::string InspectionText(const CostTrace& trace) {
  std::string text = "device    " + trace.device + "\nsoftware  " + trace.software.Dump() + "\nmethod    " +
                     trace.method.Dump() + Format("\nrows      %zu\n", trace.rows.size());
  for (const auto& [name, group] : Groups(trace)) text.append("\n").append(GroupText(name, group));
  return text;
}

CostTrace CommonRows(const CostTrace& measured, const CostTrace& other) {
  std::set<std::string> answered;
  for (const CostRow& row : other.rows) {
    if (!IsPacked(row.op)) answered.insert(AnswerKey(row));
  }
  CostTrace common{measured.device, measured.software, measured.method, {}};
  std::copy_if(measured.rows.begin(), measured.rows.end(), std::back_inserter(common.rows),
               [&](const CostRow& row) { return answered.count(AnswerKey(row)) > 0; });
  return common;
}

std::string ComparisonText(const CostTrace& measured, const KernelCosts& costs, Seconds shortest, int worst) {
  std::set<std::string> operations;
  for (const CostRow& row : measured.rows) operations.insert(row.op);
  std::string table =
      Format("%-17s %8s %10s %10s %10s %14s\n", "operation", "rows", "median", "p90", "bias", "extrapolated");
  std::string details;
  for (const std::string& op : operations) {
    const std::vector<RowError> errors = PredictionErrors(costs, measured, op, shortest);
    if (errors.empty()) continue;
    table += SummaryLine(op, errors);
    if (worst > 0) details += "\nworst of " + op + "\n" + WorstText(measured, errors, worst);
  }
  if (table.find('\n') + 1 == table.size()) {
    throw InputError("nothing to compare: no kernel that both know lasts " + TimeText(shortest) + " or longer");
  }
  return "relative error of the prediction, rows of at least " + TimeText(shortest) + "\npredicted by " +
         costs.description() + "\n\n" + table + details;
}

std::string RepeatText(const CostTrace& a, const CostTrace& b) {
  constexpr double kSteady = 0.05;
  const auto steady = [&](const CostRow& row) { return row.spread < row.median * kSteady; };
  std::map<std::string, const CostRow*> others;
  for (const CostRow& row : b.rows) others[GroupName(row) + ": " + ShapeText(row)] = &row;
  std::vector<double> all;
  std::vector<double> quiet;
  for (const CostRow& row : a.rows) {
    const auto other = others.find(GroupName(row) + ": " + ShapeText(row));
    if (other == others.end()) continue;
    all.push_back(std::abs(other->second->median / row.median - 1));
    if (steady(row) && steady(*other->second)) quiet.push_back(all.back());
  }
  if (all.empty()) return "";
  const auto line = [](const char* what, const std::vector<double>& differences) {
    return Format("%-38s %8zu %8.1f %% %8.1f %%\n", what, differences.size(), 100 * Quantile(differences, 0.5),
                  100 * Quantile(differences, 0.9));
  };
  std::string text = Format("%-38s %8s %10s %10s\n", "equal shapes in A and B, difference", "rows", "median", "p90");
  text += line("all", all);
  if (!quiet.empty()) text += line("spread below 5 % in both", quiet);
  return text + "\n";
}

}  // namespace dflop
