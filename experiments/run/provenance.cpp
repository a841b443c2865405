// What the build has written down, and of the running program its own bytes.
#include "experiments/run/provenance.hpp"

#include <CLI/Version.hpp>

#include "base/file.hpp"
#include "base/sha256.hpp"
#include "base/wall_clock.hpp"
#include "build_info.hpp"  // written by cmake/WriteBuildInfo.cmake

namespace dflop {

std::string VersionLine() {
  return std::string("dflop ") + build_info::kVersion + " (commit " + build_info::kCommit +
         (build_info::kDirty ? ", with local changes)" : ")");
}

Json Provenance(const std::string& command) {
  Json json;
  json["version"] = build_info::kVersion;
  json["git_commit"] = build_info::kCommit;
  json["git_dirty"] = build_info::kDirty;
  json["compiler"] = build_info::kCompiler;
  json["build_type"] = build_info::kBuildType;
  Json& libraries = json["libraries"];
  libraries["simgrid"] = build_info::kSimGrid;
  libraries["nlohmann_json"] = build_info::kNlohmannJson;
  libraries["cli11"] = CLI11_VERSION;
  json["command"] = command;
  json["date"] = UtcNow();
  return json;
}

const std::string& ProgramHash() {
  static const std::string hash = Sha256Hex(ReadFile("/proc/self/exe"));
  return hash;
}

}  // namespace dflop
