// Messages as sim/plan/layout.cpp words them.
#include "models/expert_mesh.hpp"

#include <algorithm>

namespace dflop {
namespace {

/// "4 or 8": the divisors of `whole` around `degree`.
std::string NearestDivisors(int whole, int degree) {
  int below = std::min(degree - 1, whole);
  while (below > 1 && whole % below != 0) --below;
  int above = degree + 1;
  while (above <= whole && whole % above != 0) ++above;
  return std::to_string(std::max(below, 1)) + (above <= whole ? " or " + std::to_string(above) : "");
}

}  // namespace

std::string WhyExpertMesh(const ModelSpec& model, int module, const Mesh& mesh, int replicas) {
  if (mesh.ep == 1 && mesh.etp == 1) return "";
  const ExpertSpec& experts = model.shape(module).experts;
  const std::string& name = model.module_name(module);
  const std::string ep = "expert parallelism " + std::to_string(mesh.ep);
  if (experts.empty())
    return ep + " × " + std::to_string(mesh.etp) + " of " + name + ", which has no experts; nearest is 1 × 1";
  if (mesh.ep > experts.count) {
    return ep + " is more than the " + std::to_string(experts.count) + " experts of " + name +
           "; nearest that fits: " + std::to_string(experts.count);
  }
  if (experts.count % mesh.ep != 0) {
    return ep + " does not divide the " + std::to_string(experts.count) + " experts of " + name +
           "; nearest that does: " + NearestDivisors(experts.count, mesh.ep);
  }
  if (experts.ffn_hidden % mesh.etp != 0) {
    return "expert tensor parallelism " + std::to_string(mesh.etp) + " does not divide the width " +
           std::to_string(experts.ffn_hidden) + " of an expert of " + name +
           "; nearest that does: " + NearestDivisors(experts.ffn_hidden, mesh.etp);
  }
  const int ranks = mesh.tp * mesh.cp * replicas;
  const int group = mesh.ep * mesh.etp;
  if (ranks % group == 0) return "";
  return ep + " × " + std::to_string(mesh.etp) + " does not divide the " + std::to_string(ranks) +
         " ranks (tp · cp · dp) of a stage of " + name + "; nearest group that does: " + NearestDivisors(ranks, group);
}

}  // namespace dflop
