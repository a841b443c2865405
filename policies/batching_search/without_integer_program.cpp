// Stands in for CBC in a build without it.
#include "base/error.hpp"
#include "policies/batching_search/integer_program.hpp"

namespace dflop {

std::string IntegerProgramSolver() { return ""; }

IntegerProgramAnswer SolveIntegerProgram(const IntegerProgram&, const IntegerProgramLimits&) {
  DFLOP_CHECK(false, "callers ask IntegerProgramSolver first");
  return {};
}

}  // namespace dflop
