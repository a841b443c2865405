// dflop/comparison/1: everything that the text shows, and what it shortens.
#include "experiments/results/figure_fields.hpp"
#include "experiments/results/two_results.hpp"

namespace dflop {
namespace {

Json Stated(const JsonReader& result, const char* key) {
  const Json* value = result.json().find(key);
  return value == nullptr ? Json() : *value;
}

Json ResultJson(const JsonReader& result) {
  Json json;
  json["file"] = result.file();
  for (const char* key : {"experiment", "engine", "seeds", "steps", "inputs", "provenance"}) {
    json[key] = Stated(result, key);
  }
  return json;
}

Json OrNull(const std::optional<Json>& value) { return value ? *value : Json(); }
Json CountOrNull(const std::optional<std::size_t>& count) { return count ? Json(*count) : Json(); }

Json DifferenceJson(const InputDifference& difference) {
  Json json;
  json["kind"] = difference.kind;
  json["key"] = difference.key;
  if (!difference.places.empty()) json["places"] = Json::ArrayOf(difference.places);
  json["in_a"] = difference.a.has_value();
  json["in_b"] = difference.b.has_value();
  json["a"] = OrNull(difference.a);
  json["b"] = OrNull(difference.b);
  return json;
}

Json SideJson(const RowSide& side) {
  Json json;
  if (!side.infeasible.empty()) {
    json["infeasible"] = side.infeasible;
    return json;
  }
  json["seeds"] = Json::ArrayOf(side.seeds);
  json["iteration_time_s"] = side.figures.iteration_time_s;
  json["mfu"] = side.figures.mfu;
  json["idle_fraction"] = side.figures.idle_fraction;
  for (const FigureField& field : FigureFields()) {
    if (field.object == "idle_by_cause") json["idle_by_cause"][field.key_there()] = side.figures.*field.value;
  }
  json["peak_memory_bytes"] = side.figures.peak_memory_bytes;
  json["fits"] = side.figures.fits;
  return json;
}

Json IntervalJson(const Interval& interval) {
  Json json;
  json["mean"] = interval.mean;
  json["half_width"] = interval.half_width ? Json(*interval.half_width) : Json();
  return json;
}

Json RowJson(const ComparedRow& row) {
  Json json;
  json["scenario"] = row.scenario;
  if (!row.point.empty()) json["point"] = row.point;
  json["policy"] = row.policy;
  json["a"] = SideJson(row.a);
  json["b"] = SideJson(row.b);
  if (!row.has_figures()) return json;
  json["paired"] = row.paired;
  json["iteration_time_b_over_a"] = IntervalJson(*row.ratio);
  const MovedCause moved = MostMovedCause(row);
  json["most_moved_cause"]["name"] = moved.name;
  json["most_moved_cause"]["change"] = moved.change;
  json["seeds_with_other_layout"] = CountOrNull(row.other_layouts);
  json["seeds_with_other_decisions"] = CountOrNull(row.other_decisions);
  return json;
}

Json RankJson(const RankOrder& order) {
  Json json;
  json["scenario"] = order.scenario;
  if (!order.point.empty()) json["point"] = order.point;
  json["fastest_first_a"] = Json::ArrayOf(order.in_a);
  json["fastest_first_b"] = Json::ArrayOf(order.in_b);
  json["other_fastest"] = order.other_fastest();
  if (order.lead) json["fastest_of_a_over_fastest_of_b_in_b"] = IntervalJson(*order.lead);
  return json;
}

template <typename T, typename ToElement>
Json ListJson(const std::vector<T>& values, ToElement to_element) {
  Json list = Json::EmptyArray();
  for (const T& value : values) list.push_back(to_element(value));
  return list;
}

}  // namespace

Json ToJson(const TwoResults& comparison, const JsonReader& a, const JsonReader& b) {
  Json json;
  json["schema"] = "dflop/comparison/1";
  json["a"] = ResultJson(a);
  json["b"] = ResultJson(b);
  json["matched_by"] = comparison.matched_by;
  json["differences"] = ListJson(comparison.differences, DifferenceJson);
  json["rows"] = ListJson(comparison.rows, RowJson);
  json["only_in_a"] = Json::ArrayOf(comparison.only_a);
  json["only_in_b"] = Json::ArrayOf(comparison.only_b);
  json["ranks"] = ListJson(comparison.ranks, RankJson);
  return json;
}

}  // namespace dflop
