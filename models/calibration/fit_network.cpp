// Constants are searched for as logarithms; what they mean is said once, where they become a node.
#include "models/calibration/fit_network.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "base/error.hpp"
#include "base/statistics.hpp"
#include "models/calibration/pattern_search.hpp"
#include "models/network/node_collectives.hpp"

namespace dflop {
namespace {

constexpr double kScale = 0.1;   ///< of log ratios, where the loss turns from square to absolute
constexpr double kRidge = 0.02;  ///< of logarithms
constexpr double kWeightOfSmall = 0.3;
constexpr Bytes kSmall{65536};
constexpr double kLeastTimeStart = 0.05;  ///< quantile of a table's times
constexpr double kFirstStep = 0.3;
constexpr double kLastStep = 0.0005;

/// Starting points in us and GB/s, read off the tables by eye.
struct Kind {
  std::string name;
  BytesPerSecond nominal;
  /// launch, LL step, LL128, its efficiency, Simple, its step, rate, copy, pair, its efficiency[, NVLS, its rate]
  std::vector<double> start;
};

const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kKinds = {
      {"A100", BytesPerSecond(300e9), {8, 1, 3, 0.5, 20, 3, 235, 480, 15, 1}},
      {"H100", BytesPerSecond(450e9), {4.5, 0.8, 1, 0.5, 12, 1, 360, 1000, 10, 1, 70, 300}},
      {"B200", BytesPerSecond(900e9), {6.6, 1.33, 1, 0.4, 8, 4, 690, 1000, 10, 1, 90, 500}}};
  return kKinds;
}

const Kind& KindNamed(const std::string& name) {
  const auto found = std::find_if(Kinds().begin(), Kinds().end(), [&](const Kind& kind) { return kind.name == name; });
  DFLOP_CHECK(found != Kinds().end(), "a kind that is fitted");
  return *found;
}

constexpr std::size_t kHop = 1;
constexpr std::size_t kRate = 6;

std::vector<double> StartOf(const Kind& kind, LawForm form) {
  std::vector<double> start = kind.start;
  if (form == LawForm::kPlainRing) start = {kind.start[kHop], kind.start[kRate]};
  for (double& value : start) value = std::log(value);
  return start;
}

Seconds Microseconds(double log_value) { return Seconds(1e-6 * std::exp(log_value)); }

void SetRateAndHop(NodeSpec& node, const Kind& kind, double log_rate, double log_hop) {
  node.intra_bandwidth = kind.nominal;
  node.intra_efficiency = 1e9 * std::exp(log_rate) / kind.nominal.value();
  node.intra_latency = Microseconds(log_hop);
}

void SetNode(NodeSpec& node, const Kind& kind, LawForm form, std::span<const double> x) {
  if (form == LawForm::kPlainRing) return SetRateAndHop(node, kind, x[1], x[0]);
  SetRateAndHop(node, kind, x[kRate], x[kHop]);
  CollectiveLaw& law = node.law;
  law.fitted = true;
  law.launch = Microseconds(x[0]);
  law.ll128 = Microseconds(x[2]);
  law.ll128_efficiency = std::exp(x[3]);
  law.simple = Microseconds(x[4]);
  law.simple_step = Microseconds(x[5]);
  law.copy = BytesPerSecond(1e9 * std::exp(x[7]));
  law.pair = Microseconds(x[8]);
  law.pair_efficiency = std::exp(x[9]);
  if (x.size() <= 10) return;
  law.nvls = Microseconds(x[10]);
  law.nvls_efficiency = 1e9 * std::exp(x[11]) / kind.nominal.value();
}

void SetFit(NodeFit& fit, const Kind& kind, LawForm form, std::span<const double> x) {
  SetNode(fit.node, kind, form, x);
  SetNode(fit.without_switch, kind, form, x);
  fit.without_switch.law.nvls_efficiency = 0;
}

Seconds LawTime(const NodeFit& fit, const MeasuredCollective& row) {
  const NodeSpec& node = row.dtype == "int8" ? fit.without_switch : fit.node;
  return NodeCollective(node, row.op, row.ranks, row.bytes).time;
}

/// Rows that count, their weights, and the table each is of.
class Objective {
 public:
  Objective(const Kind& kind, LawForm form, const std::vector<MeasuredCollective>& rows) : kind_(kind), form_(form) {
    std::map<std::string, double> groups;
    std::map<std::string, std::vector<double>> times;
    const auto group = [](const MeasuredCollective& row) {
      return row.table + NameOf(row.op) + row.dtype + std::to_string(row.ranks);
    };
    for (const MeasuredCollective& row : rows) {
      if (row.kind != kind.name || row.op == CollectiveOp::kSend) continue;
      rows_.push_back(row);
      groups[group(row)] += 1;
      times[row.table].push_back(row.time.value() * 1e6);
    }
    start_ = StartOf(kind, form);
    constants_ = start_.size();
    for (const auto& [table, all] : times) {
      tables_.push_back(table);
      start_.push_back(std::log(Quantile(all, kLeastTimeStart)));
    }
    for (const MeasuredCollective& row : rows_) {
      weights_.push_back((row.bytes >= kSmall ? 1 : kWeightOfSmall) / groups[group(row)]);
      table_of_.push_back(
          static_cast<std::size_t>(std::find(tables_.begin(), tables_.end(), row.table) - tables_.begin()));
    }
    times_.resize(rows_.size());
  }

  const std::vector<double>& start() const { return start_; }

  double operator()(std::span<const double> x) {
    PriceAnew(x.first(constants_));
    double cost = 0;
    for (std::size_t i = 0; i < x.size(); ++i) cost += std::pow(kRidge * (x[i] - start_[i]), 2);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const Seconds time = std::max(times_[i], Microseconds(x[constants_ + table_of_[i]]));
      const double off = std::log(time / rows_[i].time) / kScale;
      cost += weights_[i] * 2 * (std::sqrt(1 + off * off) - 1);
    }
    return cost;
  }

  NodeFit FitOf(std::span<const double> x) const {
    NodeFit fit;
    SetFit(fit, kind_, form_, x.first(constants_));
    for (std::size_t i = 0; i < tables_.size(); ++i) fit.least_time[tables_[i]] = Microseconds(x[constants_ + i]);
    return fit;
  }

 private:
  /// Steps along a table's least time leave the law's times as they are.
  void PriceAnew(std::span<const double> constants) {
    if (std::equal(constants.begin(), constants.end(), priced_.begin(), priced_.end())) return;
    priced_.assign(constants.begin(), constants.end());
    SetFit(scratch_, kind_, form_, constants);
    for (std::size_t i = 0; i < rows_.size(); ++i) times_[i] = LawTime(scratch_, rows_[i]);
  }

  const Kind& kind_;
  LawForm form_;
  std::vector<MeasuredCollective> rows_;
  std::vector<double> weights_;
  std::vector<std::size_t> table_of_;
  std::vector<std::string> tables_;
  std::vector<double> start_;
  std::size_t constants_ = 0;
  std::vector<double> priced_;
  std::vector<Seconds> times_;
  NodeFit scratch_;
};

double FourDigits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return std::strtod(text, nullptr);
}

}  // namespace

const std::vector<std::string>& FittedNodeKinds() {
  static const std::vector<std::string> kNames = {"A100", "H100", "B200"};
  return kNames;
}

Seconds Predict(const NodeFit& fit, const MeasuredCollective& row) {
  const Seconds law = LawTime(fit, row);
  const auto least = fit.least_time.find(row.table);
  // Messages were not fitted, and a table's least time is that of a collective.
  return least == fit.least_time.end() || row.op == CollectiveOp::kSend ? law : std::max(law, least->second);
}

NodeFit FitNodeKind(const std::string& kind, const std::vector<MeasuredCollective>& rows, LawForm form) {
  Objective objective(KindNamed(kind), form, rows);
  return objective.FitOf(
      PatternSearch([&](std::span<const double> x) { return objective(x); }, objective.start(), kFirstStep, kLastStep));
}

std::vector<double> ErrorsFrom(const std::map<std::string, NodeFit>& fits, const std::vector<MeasuredCollective>& rows,
                               Bytes smallest) {
  std::vector<double> errors;
  for (const MeasuredCollective& row : rows) {
    if (row.bytes >= smallest) errors.push_back(std::abs(Predict(fits.at(row.kind), row) / row.time - 1));
  }
  return errors;
}

Json FittedKeys(const NodeFit& fit) {
  Json json;
  json["intra_node_latency_s"] = FourDigits(fit.node.intra_latency.value());
  json["intra_efficiency"] = FourDigits(fit.node.intra_efficiency);
  const Json law = ToJson(fit.node.law);
  for (const Json::Member& member : law.as<Json::Object>()) {
    json["collectives"][member.key] = FourDigits(member.value.number());
  }
  return json;
}

}  // namespace dflop
