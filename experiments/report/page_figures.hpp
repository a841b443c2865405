// The figures of a page: every one is kept as a file, and stands in the page as long as the page stays light.
#pragma once

#include <string>
#include <vector>

#include "experiments/report/svg.hpp"
#include "experiments/results/picture.hpp"

namespace dflop {

struct NamedFigure {
  std::string name;  ///< of the file, without its ending
  Svg svg;
};

class PageFigures {
 public:
  /// Of pictures and of the numbers behind timelines, together: mails and browsers take a page of three megabytes.
  static constexpr std::size_t kMostBytes = 2'200'000;

  /// `pictures`: how many timelines the page will show at all, and what all their events together are.
  explicit PageFigures(const std::vector<StepPicture>& pictures);

  std::string Show(const std::string& name, Svg svg);
  /// The same picture twice, of which a page shows the one that fits its width; the wide one is the file.
  std::string Show(const std::string& name, Svg wide, const Svg& narrow);
  /// One step of every policy, with what its script needs.
  std::string ShowTimeline(const std::string& name, const std::string& title,
                           const std::vector<const StepPicture*>& pictures);

  std::vector<NamedFigure> Take() { return std::move(figures_); }

 private:
  std::string Place(const std::string& name, Svg svg, const std::string& inside, const char* classes);

  std::size_t most_events_;  ///< of one timeline
  std::size_t most_drawing_bytes_;
  std::size_t bytes_ = 0;
  std::vector<NamedFigure> figures_;
};

}  // namespace dflop
