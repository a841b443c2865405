// DFLOP's integer program (arXiv 2603.25120, section 3.4.1, eq. 6) handed to a general solver.
//
//   minimise C   s.t.  Σ_j x_ij = 1 for every sample i,   Σ_i cost_di·x_ij ≤ C for every dimension d and bucket j
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace dflop {

struct IntegerProgram {
  std::vector<std::vector<double>> costs;  ///< [d][i], not negative
  int buckets = 1;
  bool fill_all = false;                ///< Σ_i x_ij ≥ 1: no bucket stays empty (the released code has it)
  std::vector<std::vector<int>> start;  ///< a plan to begin from; empty: none
};

struct IntegerProgramLimits {
  int max_nodes = 1;
  std::optional<double> time_limit_s;  ///< makes the answer depend on the machine
};

struct IntegerProgramAnswer {
  std::vector<std::vector<int>> buckets;  ///< of the best solution found; empty: none was
  double largest = 0;                     ///< its C
  double bound = 0;                       ///< no solution is below
  bool optimal = false;
};

/// The solver's name and version; "" in a build without one.
std::string IntegerProgramSolver();

/// Deterministic without a time limit. A solver must be there. Nothing is printed.
IntegerProgramAnswer SolveIntegerProgram(const IntegerProgram& program, const IntegerProgramLimits& limits);

}  // namespace dflop
