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
  all.reserve(pictures.size());
  for (const StepPicture& picture : pictures) all.push_back(&picture);
  return std::min(kMostEvents, EventsOfEach(all, kMostEventsOfPage));
}

std::size_t ScenariosOf(const std::vector<StepPicture>& pictures) {
  std::set<std::string> scenarios;
  for (const StepPicture& picture : pictures) scenarios.insert(picture.scenario);
  return std::max<std::size_t>(scenarios.size(), 1);
}

std::string Scrolled(const Svg& svg) { return "<div class=\"wide-scroll\">" + svg.Inline() + "</div>"; }

}  // namespace

PageFigures::PageFigures(const std::vector<StepPicture>& pictures)
    : most_events_(EventsOfEachIn(pictures)),
      most_drawing_bytes_(std::min(kMostDrawingBytes, kMostTimelineBytesOfPage / ScenariosOf(pictures))) {}

std::string PageFigures::Place(const std::string& name, Svg file, const std::string& inside, std::size_t& spent,
                               std::size_t most) {
  figures_.push_back({name, std::move(file)});
  if (spent + inside.size() > most) {
    return "<p class=\"note\">The page is full: see figures/" + EscapeXml(name) + ".svg.</p>\n";
  }
  spent += inside.size();
  return "<figure>\n" + inside + "</figure>\n";
}

std::string PageFigures::Show(const std::string& name, Svg svg) {
  const std::string inside = Scrolled(svg);
  return Place(name, std::move(svg), inside, drawing_bytes_, kMostDrawingBytesOfPage);
}

std::string PageFigures::Show(const std::string& name, Svg wide, const Svg& narrow) {
  const std::string inside = "<div class=\"of-wide\">" + wide.Inline() + "</div><div class=\"of-narrow\">" +
                             WithoutTips(narrow.Inline()) + "</div>";
  return Place(name, std::move(wide), inside, bar_bytes_, kMostBarBytes);
}

std::string PageFigures::ShowTimeline(const std::string& name, const std::string& title,
                                      const std::vector<const StepPicture*>& pictures) {
  Svg file = PipelineChart(title, pictures, most_events_);
  const Svg shown = PipelineChart(title, pictures, most_events_, most_drawing_bytes_);
  const std::string html = Place(name, std::move(file), Scrolled(shown), drawing_bytes_, kMostDrawingBytesOfPage);
  if (!html.starts_with("<figure>")) return html;
  const std::string data = TimelineData(pictures, most_events_);
  if (data_bytes_ + data.size() > kMostDataBytes) {
    return html +
           "<p class=\"note\">A page of this weight has no room for the numbers behind this timeline: it does not "
           "zoom. "
           "The trace beside the result does (ui.perfetto.dev).</p>\n";
  }
  data_bytes_ += data.size();
  return "<figure class=\"timeline\">\n<script type=\"application/json\">" + data + "</script>" + html.substr(8);
}

}  // namespace dflop
