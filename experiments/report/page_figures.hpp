// The figures of a page: every one is kept as a file, and stands in the page as long as the page stays light.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
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
  // What a page may weigh in each of its kinds of figures: mails and browsers take a page of three megabytes.
  static constexpr std::size_t kMostBarBytes = 500'000;
  static constexpr std::size_t kMostDrawingBytesOfPage = 1'250'000;
  static constexpr std::size_t kMostDataBytes = 750'000;  ///< the numbers behind timelines

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
  std::string Place(const std::string& name, Svg file, const std::string& inside, std::size_t& spent, std::size_t most);

  std::size_t most_events_;  ///< of one timeline
  std::size_t most_drawing_bytes_;
  std::size_t bar_bytes_ = 0;
  std::size_t drawing_bytes_ = 0;
  std::size_t data_bytes_ = 0;
  std::vector<NamedFigure> figures_;
};

}  // namespace dflop
