// Conjugate gradients with a diagonal preconditioner inside Huber's reweighting; sums run in a fixed order.
#include "models/calibration/fit_grid.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace dflop {
namespace {

/// One linear equation Σ coefficient·value[node] = target in the least-squares sense.
struct Equation {
  std::array<std::size_t, 8> node{};
  std::array<double, 8> coefficient{};
  std::size_t terms = 0;
  double target = 0;
  double weight = 0;

  void Add(std::size_t at, double factor) {
    node[terms] = at;
    coefficient[terms++] = factor;
  }
  double Apply(const std::vector<double>& values) const {
    double sum = 0;
    for (std::size_t i = 0; i < terms; ++i) sum += coefficient[i] * values[node[i]];
    return sum;
  }
  void Scatter(double factor, std::vector<double>& values) const {
    for (std::size_t i = 0; i < terms; ++i) values[node[i]] += factor * coefficient[i];
  }
};

Equation ObservationEquation(const LogGrid::Axes& axes, const Observation& observation) {
  const LogGrid::Stencil stencil = LogGrid::StencilAt(axes, observation.at);
  Equation equation;
  for (std::size_t i = 0; i < 8; ++i) {
    if (stencil.weight[i] > 0) equation.Add(stencil.node[i], stencil.weight[i]);
  }
  equation.target = observation.value;
  equation.weight = observation.weight;
  return equation;
}

/// Differences along one axis, first and second, that should vanish.
void AppendSmoothness(const LogGrid::Axes& axes, std::size_t axis, double weight, std::vector<Equation>& equations) {
  std::size_t stride = 1;
  for (std::size_t d = axis + 1; d < 3; ++d) stride *= static_cast<std::size_t>(axes[d].nodes);
  const auto nodes = static_cast<std::size_t>(axes[axis].nodes);
  for (std::size_t at = 0; at < LogGrid::Nodes(axes); ++at) {
    const std::size_t place = at / stride % nodes;
    Equation slope;
    slope.weight = weight;
    if (place + 1 < nodes) {
      slope.Add(at, -1), slope.Add(at + stride, 1);
      equations.push_back(slope);
    }
    Equation bend;
    bend.weight = weight;
    if (place + 2 < nodes) {
      bend.Add(at, 1), bend.Add(at + stride, -2), bend.Add(at + 2 * stride, 1);
      equations.push_back(bend);
    }
  }
}

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Conjugate gradients with the diagonal as preconditioner; starts from and improves `values`.
void Solve(const std::vector<Equation>& equations, std::vector<double>& values) {
  constexpr int kMaxIterations = 2000;
  constexpr double kTolerance = 1e-10;
  const std::size_t size = values.size();
  std::vector<double> residual(size, 0.0);
  std::vector<double> diagonal(size, 1e-12);
  for (const Equation& equation : equations) {
    equation.Scatter(equation.weight * (equation.target - equation.Apply(values)), residual);
    for (std::size_t i = 0; i < equation.terms; ++i) {
      diagonal[equation.node[i]] += equation.weight * equation.coefficient[i] * equation.coefficient[i];
    }
  }
  const auto precondition = [&](const std::vector<double>& from) {
    std::vector<double> to(size);
    for (std::size_t i = 0; i < size; ++i) to[i] = from[i] / diagonal[i];
    return to;
  };
  std::vector<double> scaled = precondition(residual);
  std::vector<double> direction = scaled;
  double energy = Dot(residual, scaled);
  const double enough = energy * kTolerance * kTolerance;
  for (int iteration = 0; iteration < kMaxIterations && energy > enough; ++iteration) {
    std::vector<double> image(size, 0.0);
    for (const Equation& equation : equations) equation.Scatter(equation.weight * equation.Apply(direction), image);
    const double step = energy / Dot(direction, image);
    for (std::size_t i = 0; i < size; ++i) {
      values[i] += step * direction[i];
      residual[i] -= step * image[i];
    }
    scaled = precondition(residual);
    const double next = Dot(residual, scaled);
    for (std::size_t i = 0; i < size; ++i) direction[i] = scaled[i] + next / energy * direction[i];
    energy = next;
  }
}

}  // namespace

std::vector<double> FitGrid(const LogGrid::Axes& axes, const std::vector<Observation>& observations,
                            const FitOptions& options) {
  DFLOP_CHECK(!observations.empty(), "a fit needs observations");
  std::vector<Equation> equations;
  double mean = 0;
  for (const Observation& observation : observations) {
    equations.push_back(ObservationEquation(axes, observation));
    mean += observation.value / static_cast<double>(observations.size());
  }
  for (std::size_t axis = 0; axis < 3; ++axis) AppendSmoothness(axes, axis, options.smoothness, equations);

  std::vector<double> values(LogGrid::Nodes(axes), mean);
  for (int round = 0; round < options.robust_rounds; ++round) {
    Solve(equations, values);
    for (std::size_t i = 0; i < observations.size(); ++i) {
      const double residual = std::abs(equations[i].Apply(values) - equations[i].target);
      equations[i].weight = observations[i].weight * std::min(1.0, options.huber / std::max(residual, 1e-12));
    }
  }
  return values;
}

}  // namespace dflop
