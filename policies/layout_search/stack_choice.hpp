// Ways to train that a search may choose beside the layout.
#pragma once

#include <string>
#include <vector>

#include "models/software_stack.hpp"

namespace dflop {

struct StackAxes {
  bool recompute = false;  ///< none or full, beside what is given
  bool optimizer = false;  ///< whole or divided among the replicas
  bool sharding = false;   ///< zero1 and zero3, beside what is given
};

/// What is given, then what differs from it along the axes.
std::vector<SoftwareStack> StacksAlong(const StackAxes& axes, const SoftwareStack& given);

/// ", full recompute, zero3": what a stack says along the axes.
std::string StackText(const StackAxes& axes, const SoftwareStack& stack);

}  // namespace dflop
