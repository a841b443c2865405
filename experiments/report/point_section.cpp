// What the page says of one point: a scenario, or one setting of a sweep.
#include <algorithm>

#include "base/error.hpp"
#include "experiments/report/cells.hpp"
#include "experiments/report/charts.hpp"
#include "experiments/report/page.hpp"
#include "experiments/results/figure_text.hpp"

namespace dflop {
namespace {

class PointWriter {
 public:
  PointWriter(const Report& report, const PointFigures& point, const std::string& slug, PageFigures& figures)
      : report_(report), point_(point), slug_(slug), figures_(figures), baselines_(BaselinesOf(report, point)) {}

  std::string First() {
    return Open() + Bars() + Step() + Sentence() + Table() +
           Folded("More of " + point_.title() + ": load of every microbatch, memory, the cluster, layouts considered",
                  Load() + Memory() + Cluster() + CandidateTables(point_)) +
           "</section>\n";
  }

  std::string Other() {
    return Open() + Sentence() + Table() +
           Folded("Charts of " + point_.title() +
                      ": speedup, idle time, one step, memory, the cluster, layouts "
                      "considered",
                  Bars() + Step() + Load() + Memory() + Cluster() + CandidateTables(point_)) +
           "</section>\n";
  }

 private:
  std::string Open() const {
    return "<section class=\"point\" id=\"" + slug_ + "\">\n<h2>" + EscapeXml(point_.title()) + "</h2>\n";
  }

  std::string Sentence() const { return "<p class=\"summary\">" + EscapeXml(Summary(point_, baselines_)) + "</p>\n"; }

  std::string Bars() {
    return "<div class=\"pair\">\n<div><h3>Speedup over the baselines</h3>\n" +
           figures_.Show(slug_ + "-speedup", SpeedupChart(point_, baselines_),
                         SpeedupChart(point_, baselines_, kPhoneRoom)) +
           "</div>\n<div><h3>Why: idle device time by cause</h3>\n" +
           figures_.Show(slug_ + "-idle", IdleChart(point_), IdleChart(point_, kPhoneRoom)) + "</div>\n</div>\n";
  }

  std::string Table() const { return PointTable(report_, point_, baselines_) + RunsNote() + TrainingSection(point_); }

  std::string RunsNote() const {
    for (const PolicyFigures& policy : point_.policies) {
      if (policy.seeds.empty()) continue;
      const std::size_t seeds = policy.seeds.seeds.size();
      return "<p class=\"note\">" + std::to_string(seeds) + (seeds == 1 ? " seed, " : " seeds, ") +
             std::to_string(policy.seeds.steps) + (policy.seeds.steps == 1 ? " step" : " steps") +
             " in all; ± is half of a 95 % interval over the seeds. Click a column to sort. × columns are speedups "
             "over that baseline. Trust: whether kernel costs lie between measured shapes, and whether the difference "
             "to the best baseline is larger than what published runs of this kind were missed by.</p>\n";
    }
    return "";
  }

  /// The timelines in the order of the policies. A sweep keeps those of its first point only.
  std::vector<const StepPicture*> Pictures() const {
    const auto first = std::find_if(report_.points.begin(), report_.points.end(), [&](const PointFigures& candidate) {
      return candidate.scenario == point_.scenario;
    });
    std::vector<const StepPicture*> found;
    if (&*first != &point_) return found;
    for (const PolicyFigures& policy : point_.policies) {
      for (const StepPicture& picture : report_.pictures) {
        if (picture.policy == policy.policy && picture.scenario == point_.scenario) found.push_back(&picture);
      }
    }
    return found;
  }

  std::string Step() {
    const std::vector<const StepPicture*> pictures = Pictures();
    if (pictures.empty()) {
      return "<p class=\"note\">No timeline is stored for this point, so no picture of a step is drawn; `dflop run` "
             "stores "
             "them again.</p>\n";
    }
    return "<h3>One step of every policy</h3>\n<p class=\"note\">First step of the first seed, all policies on one "
           "time axis. A row is a device group; numbers are microbatches; gaps are idle time.</p>\n" +
           figures_.ShowTimeline(slug_ + "-pipeline", point_.title(), pictures);
  }

  std::string Load() {
    const std::vector<const StepPicture*> pictures = Pictures();
    if (pictures.empty()) return "";
    return "<h3>Load of every microbatch</h3>\n<p class=\"note\">Forward and backward time of each microbatch over "
           "the mean of its module, replica by replica; level bars are a balanced batch.</p>\n" +
           figures_.Show(slug_ + "-load", LoadChart(point_.title(), pictures));
  }

  std::string Memory() {
    const bool any = std::any_of(point_.policies.begin(), point_.policies.end(),
                                 [](const PolicyFigures& policy) { return !policy.figures.memory.empty(); });
    if (!any) return "";
    return "<h3>Memory of every stage (largest replica)</h3>\n<p class=\"note\">Numbers under the bars are stages of "
           "the module. Where modules share a device, their bars add up.</p>\n" +
           figures_.Show(slug_ + "-memory", MemoryChart(point_));
  }

  /// Nothing where a result describes its cluster otherwise than this program does.
  std::string Cluster() {
    if (point_.cluster.is_null()) return "";
    try {
      const ClusterSpec cluster = ReadCluster(JsonReader(point_.cluster, "result.json"));
      return "<h3>The cluster</h3>\n" + figures_.Show(slug_ + "-cluster", ClusterChart(cluster)) + TrafficTable(point_);
    } catch (const InputError&) {
      return TrafficTable(point_);
    }
  }

  const Report& report_;
  const PointFigures& point_;
  const std::string& slug_;
  PageFigures& figures_;
  std::vector<std::string> baselines_;
};

}  // namespace

std::string FirstPointSection(const Report& report, const PointFigures& point, const std::string& slug,
                              PageFigures& figures) {
  return PointWriter(report, point, slug, figures).First();
}

std::string PointSection(const Report& report, const PointFigures& point, const std::string& slug,
                         PageFigures& figures) {
  return PointWriter(report, point, slug, figures).Other();
}

}  // namespace dflop
