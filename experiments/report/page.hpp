// The parts of the report's page, in HTML, and the figures that stand in it.
#pragma once

#include <string>
#include <vector>

#include "experiments/report/svg.hpp"
#include "experiments/results/result_figures.hpp"

namespace dflop {

struct NamedFigure {
  std::string name;  ///< of the file, without its ending
  Svg svg;
};

/// All texts are HTML with what the user wrote escaped.
struct ReportPage {
  std::string title;
  std::string header;
  std::string points;
  std::string footer;
  std::vector<NamedFigure> figures;
};

ReportPage DrawPage(const Report& report);

/// The table of one point: a row per policy, a column per figure; the cells carry the bare numbers for sorting.
std::string PointTable(const PointFigures& point, const std::vector<std::string>& baselines);

/// Whether data loading binds and what a whole training takes, a row per policy; "" where no scenario asked.
std::string TrainingSection(const PointFigures& point);

/// The best candidates of every policy's planner, each table folded away; "" where no result tells of any.
std::string CandidateTables(const PointFigures& point);

/// Bytes by class of links and kind of message, a row per policy, folded away; "" where no result tells of any.
std::string TrafficTable(const PointFigures& point);

/// Throughput curves of every model, folded away; "" where the result holds none.
std::string ProfileSection(const Report& report);

/// What was predicted and what was measured: tables, and the steps drawn one above the other, which are added to
/// `figures`.
std::string ValidationSection(const ValidationFigures& validation, std::vector<NamedFigure>& figures);

/// Assumptions, provenance and inputs as lists of names and values.
std::string Footer(const Report& report);

}  // namespace dflop
