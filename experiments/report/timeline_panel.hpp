// What one policy's part of a timeline shows: which device groups have a row, how high it is, what it is called.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "experiments/results/picture.hpp"

namespace dflop {

struct TimelineRow {
  int group = 0;
  std::vector<const PictureStage*> stages;  ///< that the group holds, along the pipeline
  std::size_t events = 0;

  std::string name() const;  ///< "replica 0 · stage 2 · LLM layers 8–15"
};

struct TimelinePanel {
  const StepPicture* picture = nullptr;
  std::vector<TimelineRow> rows;  ///< the first of the picture, replica by replica and along the pipeline
  std::size_t stored_rows = 0;    ///< how many the picture knows
  double work_height = 0;         ///< of the boxes in a row
  double lane_height = 0;         ///< of the thin marks of communication under them

  double pitch() const { return work_height + lane_height + 1; }
  double rows_height() const { return pitch() * static_cast<double>(rows.size()); }
  bool is_cut() const { return rows.size() < stored_rows; }
  /// [stage of the picture]: its row, −1 for none.
  std::vector<int> RowOfStages() const;
};

/// Whole rows, 64 at most; beyond the first four no more than `most_events` events.
TimelinePanel MakeTimelinePanel(const StepPicture& picture, std::size_t most_events);

/// What every picture may show so that together they show no more than `all` events: few-event pictures leave theirs
/// to the others.
std::size_t EventsOfEach(const std::vector<const StepPicture*>& pictures, std::size_t all);

}  // namespace dflop
