// The table by kind, in the order of its keys.
#include "experiments/published_runs/error_kinds.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>

#include "base/statistics.hpp"

namespace dflop {
namespace {

struct Kind {
  std::vector<double> errors;    ///< signed
  std::vector<double> absolute;  ///< the same without their signs
  int fewest = 0;
  int most = 0;
};

double ToThreeDecimals(double value) { return std::round(value * 1000) / 1000; }

}  // namespace

Json ErrorKindsJson(const std::vector<PredictedRun>& runs) {
  std::map<std::tuple<std::string, std::string, std::string>, Kind> kinds;
  for (const PredictedRun& one : runs) {
    if (!one.predicted_s || one.run.stack.empty()) continue;
    Kind& kind = kinds[{one.run.kind, one.run.stack, one.run.device}];
    kind.fewest = kind.errors.empty() ? one.run.gpus : std::min(kind.fewest, one.run.gpus);
    kind.most = std::max(kind.most, one.run.gpus);
    kind.errors.push_back(one.error());
    kind.absolute.push_back(std::abs(one.error()));
  }
  Json all = Json::EmptyArray();
  for (const auto& [key, kind] : kinds) {
    Json entry;
    entry["class"] = std::get<0>(key);
    entry["software"] = std::get<1>(key);
    entry["gpu"] = std::get<2>(key);
    entry["gpus"] = Json(Json::Array{kind.fewest, kind.most});
    entry["rows"] = kind.errors.size();
    double sum = 0;
    for (const double error : kind.absolute) sum += error;
    entry["mean_error"] = ToThreeDecimals(sum / static_cast<double>(kind.absolute.size()));
    entry["median_error"] = ToThreeDecimals(Quantile(kind.errors, 0.5));
    entry["p90_error"] = ToThreeDecimals(Quantile(kind.absolute, 0.9));
    all.push_back(std::move(entry));
  }
  return all;
}

}  // namespace dflop
