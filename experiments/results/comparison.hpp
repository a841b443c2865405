// Two results of one experiment, row by row (scenario × point × policy): what `dflop check` reports.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_reader.hpp"

namespace dflop {

/// The smallest change that counts, as a share.
inline constexpr double kDefaultTolerance = 0.005;

/// From the worst to what needs no word.
enum class Verdict { kRegression, kUndecided, kImprovement, kOtherChange, kNew, kUnchanged };

struct RowComparison {
  std::string name;  ///< "llama3-8b, cluster/nodes 4, dflop"
  Verdict verdict = Verdict::kUnchanged;
  std::string text;  ///< the figures behind the verdict on one line; empty when unchanged
};

struct Comparison {
  std::vector<RowComparison> rows;  ///< in the order of the stored result, then the new ones
  std::size_t stored_rows = 0;
  std::size_t runs = 0;  ///< stored runs that were compared
  std::vector<std::int64_t> seeds_only_stored;
  std::vector<std::int64_t> seeds_only_fresh;

  std::size_t Count(Verdict verdict) const;
};

/// Step time and MFU are judged by the paired ratio R = Σ fresh/Σ stored over the seeds that both results have, with
/// its 95 % interval R ± h (RatioOfMeans; a seed is the unit). Worse is
///   R beyond the tolerance, and either the whole interval on that side of 1 or every seed worse beyond the tolerance.
/// The second half is there because the simulator is deterministic and both sides see the same batches: what each of
/// two seeds shows is a fact, though the interval of two seeds (t = 12.7) would excuse nearly anything; and a single
/// seed, which has no interval, is judged by its ratio alone. Better is the mirror image. Neither, while the interval
/// reaches beyond the tolerance, is undecided: the seeds disagree, and more of them would decide.
///
/// Peak memory is judged by the largest over the seeds against the tolerance. A run that is missing, became infeasible
/// or does not fit into memory any more is a regression. A row gets one verdict, the worst of its figures'. Provenance
/// and wall-clock fields are ignored; every other difference is named by its key.
///
/// InputError when a run lacks a figure or no seed stands in both.
Comparison CompareResults(const JsonReader& stored, const JsonReader& fresh, double tolerance);

/// What CompareResults would say of a stored result before anything is run: InputError when a run lacks a figure or
/// none has one of these seeds.
void CheckComparable(const JsonReader& stored, const std::vector<std::int64_t>& seeds);

}  // namespace dflop
