// A policy of an experiment: a named combination of one plug-in of each kind.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "policies/api/batch_scheduler.hpp"
#include "policies/api/correction.hpp"
#include "policies/api/layout_planner.hpp"
#include "policies/api/pipeline_schedule.hpp"

namespace dflop {

/// The plug-ins stay as they were written, because every run wants fresh ones with a state of their own.
struct PolicySpec {
  std::string name;
  Json layout;
  Json batching;
  Json pipeline;
  Json correction;
  std::string file;     ///< where the policy stands, for complaints that come up while planning
  std::string pointer;  ///< of the policy's object

  // A planner may keep a reader of its parameters: the spec must outlive what it makes.
  std::unique_ptr<LayoutPlanner> MakePlanner() const;
  std::unique_ptr<BatchScheduler> MakeBatcher() const;
  std::unique_ptr<PipelineSchedule> MakeSchedule() const;
  std::unique_ptr<Correction> MakeCorrection() const;
};

/// A non-empty list of policies with different names; every plug-in is made once, so that an unknown name or parameter
/// is reported here. A plug-in's "file" and "profile" (a folder) count from the folder of the file that names them and
/// are made absolute.
std::vector<PolicySpec> ReadPolicies(const JsonReader& json);

/// A name for tables and files: at most 100 characters, none of them a control character.
std::string ReadName(const JsonReader& json);

Json ToJson(const PolicySpec& policy);

/// The files that its plug-ins may read: "file", and the tables and documents in "profile".
std::vector<std::string> FilesOf(const PolicySpec& policy);

}  // namespace dflop
