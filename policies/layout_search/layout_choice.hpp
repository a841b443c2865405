// What a planner chooses from: the degrees of a homogeneous, colocated or separate layout, small enough to keep by the
// million.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "policies/api/layout_planner.hpp"

namespace dflop {

/// Kinds of layout whose step times depend on their degrees in ways of their own.
enum class LayoutFamily {
  kNoPipeline,      ///< homogeneous, every replica one tensor-parallel group
  kHomogeneous,     ///< one pipeline of encoder and LLM stages
  kSeparateHub,     ///< encoder and LLM on devices of their own, outputs through one rank
  kSeparateDirect,  ///< the same, every encoder replica sends to every LLM replica
};
inline constexpr int kLayoutFamilies = 4;

struct LayoutChoice {
  LayoutFamily family = LayoutFamily::kNoPipeline;
  ModuleDegrees encoder{};  ///< separate layouts only
  ModuleDegrees llm{};      ///< of everything in a homogeneous layout, whose pp counts all stages' devices
  int encoder_stages = 0;   ///< homogeneous layouts only
  int encoder_tp = 0;       ///< colocated layouts only: a divisor of llm.tp, as in HomogeneousDegrees; 0 otherwise
  int chunks = 1;
  int microbatches = 1;
  int fewer_last = 0;  ///< layers that the LLM's last stage leaves to the others

  /// Groups of the encoders' tensor-parallel ranks inside a device group.
  int encoder_groups() const { return encoder_tp > 0 ? llm.tp / encoder_tp : 1; }
  bool separate() const { return family == LayoutFamily::kSeparateHub || family == LayoutFamily::kSeparateDirect; }
};

Layout BuildLayout(const LayoutChoice& choice, const ModelSpec& model, const ClusterSpec& cluster);

/// visit(choice, counts): degrees, and the microbatch counts worth trying with them. Degrees with more replicas than
/// samples have no count and are left out.
using VisitChoice = std::function<void(const LayoutChoice&, const std::vector<int>& counts)>;

/// Homogeneous layouts that use every GPU, with every number of encoder stages, also colocated with every smaller
/// encoder TP.
void ForEachUniformChoice(const PlanningProblem& problem, const VisitChoice& visit);

/// Those, and the separate layouts of a model with one encoder, on every split of the GPUs, with either communicator.
void ForEachChoice(const PlanningProblem& problem, const VisitChoice& visit);

/// What a planner chooses from.
struct ChoiceSpace {
  std::string what;  ///< "layout", "homogeneous layout", …: for messages
  std::function<void(const PlanningProblem&, const VisitChoice&)> for_each;
};
ChoiceSpace AllLayouts();
ChoiceSpace UniformLayouts();
/// These degrees alone, all of homogeneous layouts, with every microbatch count worth trying.
ChoiceSpace TheseDegrees(std::string what, std::vector<HomogeneousDegrees> degrees);

}  // namespace dflop
