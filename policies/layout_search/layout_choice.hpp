// What a planner chooses from: the degrees of a homogeneous, colocated or separate layout, small enough to keep by the
// million.
#pragma once

#include <array>
#include <cstddef>
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
  kSpread,          ///< the encoder on every device of the LLM, before and behind its pipeline
};
inline constexpr int kLayoutFamilies = 5;

/// Models with more encoders get no devices of their own for them in a search: splits grow with their power.
inline constexpr std::size_t kSearchedEncoders = 2;

struct LayoutChoice {
  LayoutFamily family = LayoutFamily::kNoPipeline;
  std::array<ModuleDegrees, kSearchedEncoders> encoders{};  ///< [module], separate and spread layouts only
  ModuleDegrees llm{};     ///< of everything in a homogeneous layout, whose pp counts all stages' devices
  int encoder_stages = 0;  ///< homogeneous layouts only
  int encoder_tp = 0;      ///< colocated layouts only: a divisor of llm.tp, as in HomogeneousDegrees; 0 otherwise
  int chunks = 1;
  int splits = 1;        ///< of every microbatch's sequence
  int directions = 1;    ///< as in HomogeneousDegrees, whose llm.dp counts rows
  int microbatches = 1;  ///< per replica
  int fewer_last = 0;    ///< layers that the LLM's last stage leaves to the others

  /// Groups of the encoders' tensor-parallel ranks inside a device group.
  int encoder_groups() const { return encoder_tp > 0 ? llm.tp / encoder_tp : 1; }
  bool spread() const { return family == LayoutFamily::kSpread; }
  bool separate() const { return family == LayoutFamily::kSeparateHub || family == LayoutFamily::kSeparateDirect; }
};

Layout BuildLayout(const LayoutChoice& choice, const ModelSpec& model, const ClusterSpec& cluster);

/// visit(choice, counts): degrees, and the microbatch counts worth trying with them. Degrees with more replicas than
/// samples have no count and are left out.
using VisitChoice = std::function<void(const LayoutChoice&, const std::vector<int>& counts)>;

/// Homogeneous layouts that use every GPU, with every number of encoder stages, also colocated with every smaller
/// encoder TP.
/// With `context_parallel` those too whose sequences lie on 2, 4, … ranks.
void ForEachUniformChoice(const PlanningProblem& problem, const VisitChoice& visit, bool context_parallel = false);

/// What joins where it is asked for.
struct LayoutAxes {
  bool context_parallel = false;
  bool spread = false;  ///< the encoders of a model, with every TP that divides the LLM's
};

/// Those, and the separate layouts with either communicator: of a model with one encoder on every split of the GPUs; of
/// one with two where each gets 2^k or 3·2^k GPUs in pipelines of at most four.
void ForEachChoice(const PlanningProblem& problem, const VisitChoice& visit, const LayoutAxes& axes = {});

/// What a planner chooses from.
struct ChoiceSpace {
  std::string what;  ///< "layout", "homogeneous layout", …: for messages
  std::function<void(const PlanningProblem&, const VisitChoice&)> for_each;
};
ChoiceSpace AllLayouts(const LayoutAxes& axes = {});
ChoiceSpace UniformLayouts(bool context_parallel = false);
/// These degrees alone, all of homogeneous layouts, with every microbatch count worth trying.
ChoiceSpace TheseDegrees(std::string what, std::vector<HomogeneousDegrees> degrees);

}  // namespace dflop
