// calibrate_network REFERENCE_DATA_FOLDER: fits the laws of node kinds to measured collectives inside one node, or says
// how well laws fitted without some sizes and without four ranks foretell these.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>

#include "base/error.hpp"
#include "base/statistics.hpp"
#include "base/text.hpp"
#include "models/calibration/exit_status.hpp"
#include "models/calibration/fit_network.hpp"
#include "models/calibration/reference_collectives.hpp"

namespace dflop {
namespace {

using Rows = std::vector<MeasuredCollective>;
using Fits = std::map<std::string, NodeFit>;
using Wanted = std::function<bool(const MeasuredCollective&)>;

constexpr Bytes kLarge{1048576};
constexpr Bytes kMedium{65536};

Rows Those(const Rows& rows, const Wanted& wanted) {
  Rows those;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(those), wanted);
  return those;
}

Fits FitAll(const Rows& rows, LawForm form) {
  Fits fits;
  for (const std::string& kind : FittedNodeKinds()) fits[kind] = FitNodeKind(kind, rows, form);
  return fits;
}

std::string Percent(const std::vector<double>& errors, double share) {
  return errors.empty() ? "–" : Format("%.1f", 100 * Quantile(errors, share));
}

struct HeldOut {
  Rows rows;
  Fits law;
  Fits ring;
};

void PrintLine(const HeldOut& held, const std::string& name, const Wanted& wanted) {
  const Rows rows = Those(held.rows, wanted);
  const std::vector<double> law = ErrorsFrom(held.law, rows, kLarge);
  const std::vector<double> ring = ErrorsFrom(held.ring, rows, kLarge);
  const std::vector<double> medium = ErrorsFrom(held.law, rows, kMedium);
  std::printf("| %s | %zu | %s | %s | %s | %s | %s |\n", name.c_str(), law.size(), Percent(law, 0.5).c_str(),
              Percent(law, 0.9).c_str(), Percent(ring, 0.5).c_str(), Percent(ring, 0.9).c_str(),
              Percent(medium, 0.5).c_str());
}

void PrintHead(const char* what) {
  std::printf(
      "\n| %s | rows | median | p90 | plain ring, median | p90 | median from 64 KiB |\n|---|---|---|---|---|---|---|\n",
      what);
}

void PrintHeldOut(const Rows& all) {
  const Rows training = Those(all, [](const auto& row) { return !row.held_out(); });
  const HeldOut held{Those(all, [](const auto& row) { return row.held_out(); }),
                     FitAll(training, LawForm::kByAlgorithm), FitAll(training, LawForm::kPlainRing)};
  const auto fitted = [](const MeasuredCollective& row) { return row.op != CollectiveOp::kSend; };
  std::map<std::string, int> tables;
  for (const MeasuredCollective& row : held.rows) tables[row.table] = row.ranks;
  PrintHead("table");
  for (const auto& [table, ranks] : tables) {
    PrintLine(held, table, [&, name = table](const auto& row) { return fitted(row) && row.table == name; });
  }
  PrintLine(held, "all tables", fitted);
  PrintLine(held, "their sizes", [&](const auto& row) { return fitted(row) && !row.held_ranks; });
  PrintLine(held, "their four ranks", [&](const auto& row) { return fitted(row) && row.held_ranks; });
  PrintHead("operation");
  for (const auto op : {CollectiveOp::kAllReduce, CollectiveOp::kReduceScatter, CollectiveOp::kAllGather,
                        CollectiveOp::kAllToAll, CollectiveOp::kSend}) {
    PrintLine(held, NameOf(op), [op](const auto& row) { return row.op == op; });
  }
}

void PrintConstants(const Rows& rows) {
  Json kinds;
  for (const auto& [kind, fit] : FitAll(rows, LawForm::kByAlgorithm)) {
    kinds[kind] = FittedKeys(fit);
    for (const auto& [table, time] : fit.least_time) kinds[kind]["least_times_s"][table] = time.value();
  }
  std::printf("%s\n", kinds.Dump(1).c_str());
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Fits the collectives of node kinds to measured ones and prints what models/data/clusters.json holds of them.",
      "calibrate_network");
  app.footer("Example: calibrate_network ../shared/reference-data --held-out");
  std::string reference;
  bool held_out = false;
  app.add_option("REFERENCE_DATA_FOLDER", reference, "folder with aiconfigurator/, vidur/, vtrain/, more/, …")
      ->required();
  app.add_flag("--held-out", held_out, "fit without every fifth size and without four ranks, and judge by these");
  CLI11_PARSE(app, argc, argv);

  const Rows rows = LoadOneNodeCollectives(reference);
  if (held_out) {
    PrintHeldOut(rows);
  } else {
    PrintConstants(rows);
  }
  return 0;
}

}  // namespace
}  // namespace dflop

int main(int argc, char** argv) {
  return dflop::ExitStatusOf([&] { return dflop::Main(argc, argv); });
}
