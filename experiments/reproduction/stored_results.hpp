// The results that figures are made from: one folder each under one root, as `dflop run` leaves them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "experiments/results/result_figures.hpp"

namespace dflop {

class StoredResults {
 public:
  /// `results`: holds a folder per experiment; `experiments`: where their files stand (for what has to be said when a
  /// result is missing, and for what samples they draw).
  StoredResults(std::string results, std::string experiments);

  /// Read once. InputError naming what is missing and the command that makes it.
  const Report& Get(const std::string& experiment) const;
  /// Whether there is one: for what --quick leaves out.
  bool Has(const std::string& experiment) const;
  /// That the experiment's file asks for.
  std::size_t SeedsWanted(const std::string& experiment) const;
  std::string ExperimentFile(const std::string& experiment) const;
  std::string Folder(const std::string& experiment) const { return results_ + "/" + experiment; }

 private:
  std::string results_;
  std::string experiments_;
  mutable std::map<std::string, std::unique_ptr<const Report>> read_;
};

/// The point of a scenario without a sweep, or at one value of it; InputError when it is not there.
const PointFigures& PointOf(const Report& report, const std::string& scenario);
/// The policy's figures; InputError when it is not there or was infeasible at every seed.
const PolicyFigures& FiguresOf(const PointFigures& point, const std::string& policy);
/// The value of the only axis, or of the named one, as a number.
double AxisValue(const PointFigures& point, const std::string& axis);
/// How much faster than the baseline; InputError when either is not there.
Interval GainOver(const PointFigures& point, const std::string& baseline, const std::string& policy);
/// Of the seeds that both ran, in one order: their figures side by side. InputError when they share none.
std::vector<std::pair<const RunFigures*, const RunFigures*>> PairedSeeds(const PolicyFigures& a,
                                                                         const PolicyFigures& b);
/// Σ figure(a) / Σ figure(b) over them, with its interval.
Interval PairedRatio(const PolicyFigures& a, const PolicyFigures& b, double (*figure)(const RunFigures&));
/// The timeline of the first seed's first step; InputError when none is stored.
const StepPicture& PictureOf(const Report& report, const std::string& scenario, const std::string& policy);

}  // namespace dflop
