// Trilinear: eight corners and their weights; outside the grid the nearest edge holds.
#include "models/log_grid.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace dflop {
namespace {

struct Cell {
  std::size_t low = 0;
  double fraction = 0;
};

Cell CellOf(const LogGrid::Axis& axis, double coordinate) {
  if (axis.nodes == 1) return {};
  const double offset = std::clamp(coordinate - axis.first, 0.0, static_cast<double>(axis.nodes - 1));
  const std::size_t low = std::min(static_cast<std::size_t>(offset), static_cast<std::size_t>(axis.nodes - 2));
  return {low, offset - static_cast<double>(low)};
}

}  // namespace

LogGrid::LogGrid(const Axes& axes, std::vector<double> values) : axes_(axes), values_(std::move(values)) {
  DFLOP_CHECK(values_.size() == Nodes(axes_), "a grid has one value per node");
}

std::size_t LogGrid::Nodes(const Axes& axes) {
  std::size_t nodes = 1;
  for (const Axis& axis : axes) nodes *= static_cast<std::size_t>(axis.nodes);
  return nodes;
}

LogGrid::Stencil LogGrid::StencilAt(const Axes& axes, const Point& point) {
  const std::array<Cell, 3> cells = {CellOf(axes[0], point[0]), CellOf(axes[1], point[1]), CellOf(axes[2], point[2])};
  const std::array<std::size_t, 3> stride = {static_cast<std::size_t>(axes[1].nodes * axes[2].nodes),
                                             static_cast<std::size_t>(axes[2].nodes), 1};
  Stencil stencil{};
  for (std::size_t corner = 0; corner < 8; ++corner) {
    std::size_t node = 0;
    double weight = 1;
    for (std::size_t d = 0; d < 3; ++d) {
      const bool high = (corner >> d & 1) != 0;
      const bool flat = axes[d].nodes == 1;  // no upper neighbour: the lower one takes all the weight
      node += (cells[d].low + (high && !flat ? 1 : 0)) * stride[d];
      weight *= high ? cells[d].fraction : 1 - cells[d].fraction;
    }
    stencil.node[corner] = node;
    stencil.weight[corner] = weight;
  }
  return stencil;
}

bool LogGrid::Contains(const Axes& axes, const Point& point) {
  constexpr double kRounding = 1e-9;
  for (std::size_t d = 0; d < 3; ++d) {
    if (point[d] < axes[d].first - kRounding || point[d] > axes[d].last() + kRounding) return false;
  }
  return true;
}

double LogGrid::At(const Point& point) const {
  const Stencil stencil = StencilAt(axes_, point);
  double value = 0;
  for (std::size_t i = 0; i < 8; ++i) value += stencil.weight[i] * values_[stencil.node[i]];
  return value;
}

}  // namespace dflop
