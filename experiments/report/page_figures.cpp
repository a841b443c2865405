// What a page has no room for is named there by its file.
#include "experiments/report/page_figures.hpp"

#include <algorithm>
#include <set>

#include "experiments/report/charts.hpp"
#include "experiments/report/timeline_data.hpp"
#include "experiments/report/timeline_panel.hpp"

namespace dflop {
namespace {

constexpr std::size_t kMostEventsOfPage = 24'000;
constexpr std::size_t kMostTimelineBytesOfPage = 480'000;

std::size_t EventsOfEachIn(const std::vector<StepPicture>& pictures) {
  std::vector<const StepPicture*> all;
  for (const StepPicture& picture : pictures) all.push_back(&picture);
  return std::min(kMostEvents, EventsOfEach(all, kMostEventsOfPage));
}

std::size_t ScenariosOf(const std::vector<StepPicture>& pictures) {
  std::set<std::string> scenarios;
  for (const StepPicture& picture : pictures) scenarios.insert(picture.scenario);
  return std::max<std::size_t>(scenarios.size(), 1);
}

}  // namespace

PageFigures::PageFigures(const std::vector<StepPicture>& pictures)
    : most_events_(EventsOfEachIn(pictures)),
      most_drawing_bytes_(std::min(kMostDrawingBytes, kMostTimelineBytesOfPage / ScenariosOf(pictures))) {}

std::string PageFigures::Place(const std::string& name, Svg svg, const std::string& inside, const char* classes) {
  figures_.push_back({name, std::move(svg)});
  if (bytes_ + inside.size() > kMostBytes) {
    return "<p class=\"note\">The page is full: see figures/" + EscapeXml(name) + ".svg.</p>\n";
  }
  bytes_ += inside.size();
  return "<figure" + std::string(classes) + ">\n" + inside + "</figure>\n";
}

std::string PageFigures::Show(const std::string& name, Svg svg) {
  const std::string inside = "<div class=\"wide-scroll\">" + svg.Inline() + "</div>";
  return Place(name, std::move(svg), inside, "");
}

std::string PageFigures::Show(const std::string& name, Svg wide, const Svg& narrow) {
  const std::string inside = "<div class=\"of-wide\">" + wide.Inline() + "</div><div class=\"of-narrow\">" +
                             WithoutTips(narrow.Inline()) + "</div>";
  return Place(name, std::move(wide), inside, "");
}

std::string PageFigures::ShowTimeline(const std::string& name, const std::string& title,
                                      const std::vector<const StepPicture*>& pictures) {
  Svg svg = PipelineChart(title, pictures, most_events_, most_drawing_bytes_);
  const std::string inside = "<div class=\"wide-scroll\">" + svg.Inline() +
                             "</div><script type=\"application/json\">" + TimelineData(pictures, most_events_) +
                             "</script>";
  return Place(name, std::move(svg), inside, " class=\"timeline\"");
}

}  // namespace dflop
