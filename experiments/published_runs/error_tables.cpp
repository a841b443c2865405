// The texts made of summaries: Markdown for people, JSON for programs, a CSV with every run.
#include "base/text.hpp"
#include "experiments/published_runs/error_summary.hpp"

namespace dflop {
namespace {

std::string PerCent(double share, bool with_sign) {
  const std::string text = Fixed(100 * share, 1);
  return (with_sign && !text.starts_with("-") && text != "0.0" ? "+" : "") + text + " %";
}

std::string ErrorCells(const ErrorSummary& summary) {
  if (summary.predicted == 0) return " – | – | – |";
  return " " + PerCent(summary.mean_absolute, false) + " | " + PerCent(summary.median, true) + " | " +
         PerCent(summary.p90_absolute, false) + " |";
}

std::string PairCells(const PairCount& pairs) {
  if (pairs.pairs == 0) return " – | – | – |";
  return " " + Fixed(pairs.tau(), 2) + " | " + std::to_string(pairs.pairs) + " | " + std::to_string(pairs.wrong) +
         (pairs.tied > 0 ? " + " + std::to_string(pairs.tied) + " tied" : "") + " |";
}

std::string CountCell(std::size_t count) { return " " + std::to_string(count) + " |"; }

std::string SummaryLine(const ErrorSummary& summary) {
  return "| " + summary.name + " | " + summary.kind + " |" + CountCell(summary.rows) + CountCell(summary.predicted) +
         ErrorCells(summary) + PairCells(summary.pairs) + CountCell(summary.exact) +
         CountCell(summary.rows - summary.exact) + CountCell(summary.too_large) + CountCell(summary.much_too_large) +
         "\n";
}

std::string SummaryTable(const std::string& what, const std::vector<ErrorSummary>& summaries) {
  std::string text = "| " + what +
                     " | class | rows | predicted | mean abs. error | median error | 90 % of abs. errors below | "
                     "Kendall tau | pairs | wrong | exact | proxy | too large | by > 3 % |\n|---|---|" +
                     "---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
  for (const ErrorSummary& summary : summaries) text += SummaryLine(summary);
  return text;
}

std::string GroupTable(const std::vector<ErrorSummary>& groups) {
  std::string text =
      "| group of layouts | rows | Kendall tau | pairs | wrong | too close |\n|---|---:|---:|---:|---:|---:|\n";
  for (const ErrorSummary& group : groups) {
    text += "| " + group.name + " |" + CountCell(group.predicted) + PairCells(group.pairs) +
            CountCell(group.pairs.close) + "\n";
  }
  return text;
}

Json SummaryJson(const ErrorSummary& summary) {
  Json json;
  json["name"] = summary.name;
  json["class"] = summary.kind;
  json["rows"] = summary.rows;
  json["predicted"] = summary.predicted;
  if (summary.predicted > 0) {
    json["mean_absolute_error"] = summary.mean_absolute;
    json["median_error"] = summary.median;
    json["p90_absolute_error"] = summary.p90_absolute;
  }
  if (summary.pairs.pairs > 0) json["kendall_tau"] = summary.pairs.tau();
  json["groups"] = summary.groups;
  json["pairs"] = summary.pairs.pairs;
  json["wrong_pairs"] = summary.pairs.wrong;
  json["tied_pairs"] = summary.pairs.tied;
  json["close_pairs"] = summary.pairs.close;
  json["exact"] = summary.exact;
  json["proxy"] = summary.rows - summary.exact;
  json["too_large"] = summary.too_large;
  json["too_large_by_3_per_cent"] = summary.much_too_large;
  return json;
}

Json ListJson(const std::vector<ErrorSummary>& summaries) {
  Json json = Json::EmptyArray();
  for (const ErrorSummary& summary : summaries) json.push_back(SummaryJson(summary));
  return json;
}

std::string RunLine(const PredictedRun& row) {
  const MeasuredRun& run = row.run;
  std::string line;
  for (const std::string* text : {&run.file, &run.scenario, &run.source, &run.stack, &run.kind, &run.group, &run.gpu}) {
    line += CsvCell(*text) + ",";
  }
  for (const int count : {run.gpus, run.tp, run.pp, run.dp, run.cp}) line += std::to_string(count) + ",";
  line += ShortestNumber(run.step_time_s) + ",";
  line += row.predicted_s ? ShortestNumber(*row.predicted_s) + "," + ShortestNumber(row.error()) + "," : ",,";
  line += ShortestNumber(row.peak_memory_bytes) + "," + ShortestNumber(run.gpu_memory_bytes) + ",";
  line += std::string(row.fits ? "true" : "false") + "," + (run.proxy.empty() ? "exact" : "proxy") + ",";
  for (const std::string* text : {&run.proxy, &run.assumed, &row.infeasible, &run.table}) line += CsvCell(*text) + ",";
  return line + std::to_string(run.line) + "\n";
}

}  // namespace

std::string TablesText(const ErrorTables& tables) {
  std::string text =
      "Error = predicted / measured - 1. Pairs: two layouts of one group, measured more than 2 % apart; "
      "a predicted tie counts as 0.\n\n";
  text += SummaryTable("source", tables.sources) + "\n" + SummaryTable("stack", tables.stacks);
  if (!tables.groups.empty()) text += "\n" + GroupTable(tables.groups);
  return text;
}

Json TablesJson(const ErrorTables& tables) {
  Json json;
  json["sources"] = ListJson(tables.sources);
  json["stacks"] = ListJson(tables.stacks);
  json["groups"] = ListJson(tables.groups);
  return json;
}

std::string ErrorsCsv(const std::vector<PredictedRun>& runs) {
  std::string csv =
      "file,scenario,source,stack,class,group,gpu,gpus,tp,pp,dp,cp,measured_s,predicted_s,error,peak_memory_bytes,"
      "gpu_memory_bytes,fits,exact,proxy,assumed,infeasible,table,line\n";
  for (const PredictedRun& run : runs) csv += RunLine(run);
  return csv;
}

}  // namespace dflop
