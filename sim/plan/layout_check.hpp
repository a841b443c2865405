// Whether a layout that others made, a file or a plug-in, holds together: every layer once, on devices that exist.
#pragma once

#include <string>

#include "models/cluster_spec.hpp"
#include "models/model_spec.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// The first thing that is wrong.
struct LayoutFault {
  std::string pointer;  ///< into the layout, e.g. "/stages/3"
  std::string what;     ///< "" when nothing is wrong
};
LayoutFault FindFault(const Layout& layout, const ModelSpec& model, const ClusterSpec& cluster);

}  // namespace dflop
