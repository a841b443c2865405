// Which figure needs which results.
#include "experiments/reproduction/figures.hpp"

#include <algorithm>
#include <array>

namespace dflop {
namespace {

const FigureMaker* Find(const std::string& figure) {
  const auto found = std::find_if(FigureMakers().begin(), FigureMakers().end(),
                                  [&](const FigureMaker& maker) { return maker.figure == figure; });
  return found == FigureMakers().end() ? nullptr : &*found;
}

}  // namespace

std::span<const FigureMaker> FigureMakers() {
  static const std::array<FigureMaker, 19> kMakers = {{
      {"fig01", {"fig01-pipelines"}, Pipelines},
      {"fig02", {"fig02-shapes"}, Shapes},
      {"fig04", {"fig04-durations"}, Durations},
      {"fig05", {"fig05-scheduler"}, EightSamples},
      {"fig06", {"fig06-communicator"}, HubTraffic},
      {"fig07a", {"fig07-end-to-end"}, Throughputs},
      {"fig07b", {"fig07-end-to-end"}, SavedHours},
      {"fig08", {"fig07-end-to-end", "fig08-compute-ratio"}, ComputeRatio},
      {"fig09", {"fig09-audio"}, Audio},
      {"fig10", {"fig10-ablation"}, Ablation},
      {"fig11a", {"fig11-data-sets"}, DataSets},
      {"fig11b", {"fig11-data-sets"}, TileHistograms},
      {"fig12", {"fig12-scaling", "fig12-scaling-batch", "fig12-scaling-large"}, Scaling},
      {"fig13", {"fig13-idle"}, IdleTimes},
      {"fig14", {"fig14-stages"}, StageRates},
      {"fig15", {"fig15-correction"}, Correction15},
      {"fig16a", {"fig16a-optimizer"}, OptimizerTime16},
      {"fig16b", {"fig16b-scheduler"}, SchedulerTime},
      {"table4", {"table4"}, TrainingHours},
  }};
  return kMakers;
}

std::vector<std::string> ExperimentsOf(const std::string& figure) {
  const FigureMaker* maker = Find(figure);
  if (maker == nullptr) return {figure};
  return {maker->experiments.begin(), maker->experiments.end()};
}

ReproducedFigure MakeFigure(const std::string& figure, const StoredResults& results) {
  const FigureMaker* maker = Find(figure);
  return maker == nullptr ? Gains(results, figure) : maker->make(results);
}

}  // namespace dflop
