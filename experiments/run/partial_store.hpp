// Finished units of a run that is still going on, as files: how worker processes hand in their results, how ranks on
// different machines meet, and what a killed run continues from.
#pragma once

#include <optional>
#include <string>

#include "base/json.hpp"

namespace dflop {

class PartialStore {
 public:
  /// Nothing is created before the first Save.
  explicit PartialStore(std::string folder) : folder_(std::move(folder)) {}

  /// Whether a whole result with these inputs is there.
  bool Has(const std::string& unit_hash, bool drawn) const;
  /// Last of all: where the runs stand, the unit is complete.
  void Save(const std::string& unit_hash, const Json& runs) const;
  Json LoadRuns(const std::string& unit_hash) const;

  /// Appends the unit's figures to finished.jsonl in the folder, a line of JSON for everybody who wants to look at a
  /// run that still goes on, and returns them in words.
  std::string Tell(const std::string& unit_hash, const std::string& name) const;
  /// Removes finished.jsonl, which runs with other inputs have written to as well. Who then tells of all units that are
  /// complete leaves none out, also while other ranks add theirs: those are complete before they are told of.
  void ForgetTold() const;

  std::string TracePath(const std::string& unit_hash) const { return Path(unit_hash, ".trace.json"); }
  std::string TimelinePath(const std::string& unit_hash) const { return Path(unit_hash, ".timeline.json"); }

  /// Removes all partial results, whatever their inputs, and the folder if nothing else is in it.
  void Clear() const;

 private:
  std::string Path(const std::string& unit_hash, const char* ending) const;
  std::optional<Json> Read(const std::string& unit_hash) const;
  std::string folder_;
};

}  // namespace dflop
