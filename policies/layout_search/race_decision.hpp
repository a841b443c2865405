// What a planner says after a race: the winner, by how much it wins and what the others came to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policies/layout_search/layout_race.hpp"

namespace dflop {

/// What a search may cost where nothing is said: simulations grow with the cluster, so their number falls.
std::size_t DefaultRaceBudget(const ClusterSpec& cluster);

/// Runs the race. Nothing when no layout fits every planning batch: the race then says why. `labels`[variant] stands
/// behind the names of a variant's layouts.
std::optional<LayoutDecision> DecideByRace(LayoutRace& race, const std::vector<std::string>& labels = {""});

}  // namespace dflop
