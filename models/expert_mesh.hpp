// Whether experts can be divided as a mesh asks.
#pragma once

#include <string>

#include "models/cost_model.hpp"

namespace dflop {

/// "" where they can: ep ≤ count and divides it, etp divides the experts' width, and ep · etp divides the tp · cp · dp
/// ranks of the stage (`replicas` = dp; Mesh::cp counts by itself). Otherwise what does not fit, with the nearest that
/// does.
std::string WhyExpertMesh(const ModelSpec& model, int module, const Mesh& mesh, int replicas);

}  // namespace dflop
