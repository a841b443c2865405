// The parts of the report's page, in HTML, and the figures that stand in it.
#pragma once

#include <string>
#include <vector>

#include "experiments/report/page_figures.hpp"
#include "experiments/results/result_figures.hpp"

namespace dflop {

/// All texts are HTML with what the user wrote escaped.
struct ReportPage {
  std::string title;
  std::string header;
  std::string points;
  std::string footer;
  std::vector<NamedFigure> figures;
};

ReportPage DrawPage(const Report& report);

/// The baselines that ran at this point: a scenario with policies of its own may lack some of the experiment's.
std::vector<std::string> BaselinesOf(const Report& report, const PointFigures& point);

/// A block that opens with a click, and when the page is printed.
std::string Folded(const std::string& summary, const std::string& html);

/// The table of one point: a row per policy, a column per figure; the cells carry the bare numbers for sorting.
std::string PointTable(const Report& report, const PointFigures& point, const std::vector<std::string>& baselines);

/// The first scenario: who is faster, why, the steps themselves, then the table and, folded, the rest.
std::string FirstPointSection(const Report& report, const PointFigures& point, const std::string& slug,
                              PageFigures& figures);
/// Any other: its sentence and its table; the charts are folded.
std::string PointSection(const Report& report, const PointFigures& point, const std::string& slug,
                         PageFigures& figures);

/// Charts along every axis of a sweep, for every setting of the others; "" without a sweep.
std::string SweepSections(const Report& report, PageFigures& figures);

/// Who is who, a line per policy, folded; a note where the result does not say.
std::string PolicyLines(const Report& report);

/// Whether data loading binds and what a whole training takes, a row per policy; "" where no scenario asked.
std::string TrainingSection(const PointFigures& point);

/// The best candidates of every policy's planner, each table folded away; "" where no result tells of any.
std::string CandidateTables(const PointFigures& point);

/// Bytes by class of links and kind of message, a row per policy, folded away; "" where no result tells of any.
std::string TrafficTable(const PointFigures& point);

/// Throughput curves of every model, folded away; "" where the result holds none.
std::string ProfileSection(const Report& report);

/// What was predicted and what was measured: tables, and the steps drawn one above the other.
std::string ValidationSection(const ValidationFigures& validation, PageFigures& figures);

/// Assumptions, provenance and inputs as lists of names and values.
std::string Footer(const Report& report);

}  // namespace dflop
