// Text and tip of every cell are made here, so that the chart only places them; means are over full rows.
#include "experiments/report/regret_table.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/results/regret.hpp"
#include "experiments/results/training_changes.hpp"

namespace dflop {
namespace {

std::vector<std::string> PolicyNames(std::span<const PointFigures> points) {
  std::vector<std::string> names;
  for (const PointFigures& point : points) {
    for (const PolicyFigures& policy : point.policies) {
      if (std::find(names.begin(), names.end(), policy.policy) == names.end()) names.push_back(policy.policy);
    }
  }
  return names;
}

bool ChangesTraining(std::span<const PointFigures> points, const std::string& name) {
  return std::any_of(points.begin(), points.end(), [&](const PointFigures& point) {
    const PolicyFigures* policy = point.Find(name);
    return policy != nullptr && !policy->changes_training.empty();
  });
}

/// What stood in for the policy's batch scheduler at any of the points.
std::string InsteadOf(std::span<const PointFigures> points, const std::string& name) {
  for (const PointFigures& point : points) {
    const PolicyFigures* policy = point.Find(name);
    if (policy != nullptr && !policy->instead.empty()) return policy->instead;
  }
  return "";
}

std::vector<std::optional<SeedInterval>> RegretsAt(const PointFigures& point) {
  std::vector<Contender> contenders;
  for (const PolicyFigures& policy : point.policies) contenders.push_back({&policy.seeds, policy.figures.fits});
  return Regrets(contenders);
}

std::string AxisName(const std::string& pointer) { return pointer.substr(pointer.starts_with("/") ? 1 : 0); }

/// Of a sweep the values alone.
std::string LabelOf(const PointFigures& point) {
  if (point.point.empty()) return point.scenario;
  std::string label;
  for (const auto& [axis, value] : point.point) label += (label.empty() ? "" : ", ") + Plain(value);
  return label;
}

std::string Number(double regret) { return Fixed(100 * regret, regret < 0.9995 ? 1 : 0); }

RegretCell MakeCell(const PointFigures& point, const PolicyFigures& policy, const std::optional<SeedInterval>& regret) {
  const std::string name = policy.shown() + ", " + point.title() + ": ";
  if (!policy.infeasible.empty()) return {{}, "infeasible", name + "infeasible, " + policy.infeasible};
  if (!policy.figures.fits) return {{}, "does not fit", name + "does not fit, " + policy.too_large};
  if (!regret) return {};
  const std::string time = DurationWithInterval(StepTime(policy));
  if (regret->mean == 0) return {regret, "best", name + "the best, " + time};
  const std::string interval = regret->half_width ? " ± " + Percent(*regret->half_width, 2) : "";
  return {regret, Number(regret->mean),
          name + time + ", " + Percent(regret->mean, 2) + interval + " longer than the best"};
}

RegretRow MakeRow(const PointFigures& point, const std::vector<std::string>& names) {
  RegretRow row{LabelOf(point), std::vector<RegretCell>(names.size())};
  const std::vector<std::optional<SeedInterval>> regrets = RegretsAt(point);
  for (std::size_t i = 0; i < regrets.size(); ++i) {
    const auto column = std::find(names.begin(), names.end(), point.policies[i].policy) - names.begin();
    row.cells[static_cast<std::size_t>(column)] = MakeCell(point, point.policies[i], regrets[i]);
  }
  return row;
}

bool IsComplete(const RegretRow& row) {
  return !row.cells.empty() && std::all_of(row.cells.begin(), row.cells.end(),
                                           [](const RegretCell& cell) { return cell.regret.has_value(); });
}

/// Of one policy: the regrets that are there, of all rows or of the complete ones.
std::vector<double> ColumnValues(const std::vector<RegretRow>& rows, std::size_t policy, bool complete) {
  std::vector<double> values;
  for (const RegretRow& row : rows) {
    if (row.cells.empty() || !row.cells[policy].regret || (complete && !IsComplete(row))) continue;
    values.push_back(row.cells[policy].regret->mean);
  }
  return values;
}

RegretCell SummaryCell(const std::string& policy, const std::string& label, double regret) {
  return {SeedInterval{{regret, std::nullopt}}, Number(regret), policy + ", " + label + ": " + Percent(regret, 2)};
}

std::vector<RegretRow> Summarise(const std::vector<RegretRow>& rows, const std::vector<std::string>& names) {
  const auto complete = std::count_if(rows.begin(), rows.end(), IsComplete);
  RegretRow mean{complete == 1 ? "the one full row" : "mean of the " + std::to_string(complete) + " full rows", {}};
  RegretRow largest{"largest", std::vector<RegretCell>(names.size())};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::vector<double> all = ColumnValues(rows, i, false);
    if (!all.empty()) largest.cells[i] = SummaryCell(names[i], "largest", *std::max_element(all.begin(), all.end()));
    if (complete > 0)
      mean.cells.push_back(SummaryCell(names[i], mean.label, MeanInterval(ColumnValues(rows, i, true)).mean));
  }
  if (complete == 0) return {largest};
  return {mean, largest};
}

}  // namespace

RegretTable MakeRegretTable(std::span<const PointFigures> points) {
  RegretTable table;
  table.policies = PolicyNames(points);
  const std::string* scenario = nullptr;
  for (const PointFigures& point : points) {
    if (!point.point.empty() && (scenario == nullptr || *scenario != point.scenario)) {
      table.rows.push_back({point.scenario, {}});
      scenario = &point.scenario;
    }
    table.rows.push_back(MakeRow(point, table.policies));
  }
  for (const auto& [axis, value] : points.front().point)
    table.axes += (table.axes.empty() ? "" : ", ") + AxisName(axis);
  table.summary = Summarise(table.rows, table.policies);
  for (std::string& name : table.policies) {
    const char* mark = ChangesTraining(points, name) ? kTrainingMark : "";
    name = ShownName(name, InsteadOf(points, name)) + mark;
  }
  return table;
}

bool HasRegrets(std::span<const PointFigures> points) {
  const auto compares = [](const PointFigures& point) {
    const std::vector<std::optional<SeedInterval>> regrets = RegretsAt(point);
    return std::any_of(regrets.begin(), regrets.end(), [](const auto& regret) { return regret.has_value(); });
  };
  return std::count_if(points.begin(), points.end(), compares) >= 2;
}

}  // namespace dflop
