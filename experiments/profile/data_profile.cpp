// Bins are round numbers (RoundTicks), fewer where two quantities are held against each other.
#include "experiments/profile/data_profile.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "base/round_ticks.hpp"
#include "policies/api/batch_scheduler.hpp"

namespace dflop {
namespace {

constexpr int kBins = 24;
constexpr int kJointBins = 16;

SampleQuantity SizesOf(const std::vector<SampleShape>& shapes, const ModelSpec& model, int module) {
  const std::string& name = model.module_name(module);
  SampleQuantity sizes{name + (model.is_llm(module) ? "-tokens" : "-tiles"),
                       (model.is_llm(module) ? "LLM tokens per sample, " : "tiles per sample, ") + name,
                       model.is_llm(module) ? "tokens" : "tiles",
                       model.is_llm(module),
                       {}};
  for (const SampleShape& shape : shapes) {
    sizes.values.push_back(model.is_llm(module) ? shape.llm_tokens : shape.tiles[static_cast<std::size_t>(module)]);
  }
  return sizes;
}

std::size_t BinOf(const Histogram& histogram, double value) {
  const double bin = std::floor((value - histogram.low) / histogram.width);
  return std::min(static_cast<std::size_t>(std::max(bin, 0.0)), histogram.counts.size() - 1);
}

std::vector<double> Edges(const Histogram& histogram) {
  std::vector<double> edges;
  for (std::size_t i = 0; i <= histogram.counts.size(); ++i) {
    edges.push_back(histogram.low + static_cast<double>(i) * histogram.width);
  }
  return edges;
}

Json QuantityJson(const SampleQuantity& quantity) {
  const Histogram histogram = MakeHistogram(quantity.values, kBins);
  Json json;
  json["name"] = quantity.name;
  json["unit"] = quantity.unit;
  json["mean"] = Mean(quantity.values);
  json["largest"] = *std::max_element(quantity.values.begin(), quantity.values.end());
  json["edges"] = Json::ArrayOf(Edges(histogram));
  json["samples"] = Json::ArrayOf(histogram.counts);
  return json;
}

/// How many samples lie in each cell of one quantity's bins (rows) by another's (columns).
Json JointJson(const SampleQuantity& rows, const SampleQuantity& columns) {
  const Histogram by_row = MakeHistogram(rows.values, kJointBins);
  const Histogram by_column = MakeHistogram(columns.values, kJointBins);
  std::vector<std::vector<int>> counts(by_row.counts.size(), std::vector<int>(by_column.counts.size()));
  for (std::size_t i = 0; i < rows.values.size(); ++i) {
    ++counts[BinOf(by_row, rows.values[i])][BinOf(by_column, columns.values[i])];
  }
  Json json;
  json["rows"] = rows.name;
  json["columns"] = columns.name;
  json["row_edges"] = Json::ArrayOf(Edges(by_row));
  json["column_edges"] = Json::ArrayOf(Edges(by_column));
  json["samples"] = Json::EmptyArray();
  for (const std::vector<int>& row : counts) json["samples"].push_back(Json::ArrayOf(row));
  return json;
}

}  // namespace

DataProfile ProfileData(const CostModel& cost, const Layout& layout, std::vector<SampleShape> shapes,
                        std::string source) {
  DataProfile profile{std::move(source), layout.name, std::move(shapes), {}};
  const BatchProblem problem = MakeBatchProblem(cost, layout, profile.shapes);
  const ModelSpec& model = cost.model();
  for (int module = 0; module < model.module_count(); ++module) {
    profile.quantities.push_back(SizesOf(profile.shapes, model, module));
    const std::string& name = model.module_name(module);
    profile.quantities.push_back({name + "-seconds", "seconds per sample on a stage of " + name, "s",
                                  model.is_llm(module), problem.module_costs[static_cast<std::size_t>(module)]});
  }
  return profile;
}

Histogram MakeHistogram(const std::vector<double>& values, int about_bins) {
  DFLOP_CHECK(!values.empty(), "a histogram needs values");
  const auto [least, largest] = std::minmax_element(values.begin(), values.end());
  const double reach = *largest > *least ? *largest - *least : std::max(1.0, *least);
  const std::vector<double> ticks = RoundTicks(*least, *least + reach, about_bins);
  Histogram histogram;
  histogram.width = ticks[1] - ticks[0];
  histogram.low = std::floor(*least / histogram.width) * histogram.width;
  histogram.counts.resize(static_cast<std::size_t>(std::floor((*largest - histogram.low) / histogram.width)) + 1);
  for (const double value : values) ++histogram.counts[BinOf(histogram, value)];
  return histogram;
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

Json ToJson(const DataProfile& profile) {
  Json json;
  json["schema"] = "dflop/data-profile/1";
  json["source"] = profile.source;
  json["sample_count"] = profile.shapes.size();
  json["layout"] = profile.layout;
  json["quantities"] = Json::EmptyArray();
  for (const SampleQuantity& quantity : profile.quantities) json["quantities"].push_back(QuantityJson(quantity));
  json["joint"] = Json::EmptyArray();
  const std::size_t llm = profile.quantities.size() - 2;
  for (std::size_t encoder = 0; encoder < llm; encoder += 2) {
    json["joint"].push_back(JointJson(profile.quantities[encoder], profile.quantities[llm]));
    json["joint"].push_back(JointJson(profile.quantities[encoder + 1], profile.quantities[llm + 1]));
  }
  return json;
}

}  // namespace dflop
