// Placements that need no thought, and their inverse.
#include "policies/api/schedule_problem.hpp"

namespace dflop {

Placement InTurn(int devices, int chunks) {
  Placement placement;
  for (int stage = 0; stage < devices * chunks; ++stage) placement.push_back(stage % devices);
  return placement;
}

std::vector<std::vector<int>> ScheduleProblem::StagesOfDevices() const {
  std::vector<std::vector<int>> stages(Index(devices));
  for (int stage = 0; stage < static_cast<int>(placement.size()); ++stage) {
    stages[Index(placement[Index(stage)])].push_back(stage);
  }
  return stages;
}

}  // namespace dflop
