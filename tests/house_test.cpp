// The rules of the house, read off the sources: who may include whom, which libraries stay where, how long a file gets.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "test_paths.hpp"

namespace dflop {
namespace {

constexpr std::size_t kMaxLines = 500;
constexpr std::size_t kMaxJsonLibraryFiles = 3;
constexpr std::string_view kSimGridFile = "sim/engine/simgrid_engine.cpp";
/// A bare SimGrid program that the engine is measured beside.
constexpr std::string_view kSimGridYardstick = "tests/benchmarks/simgrid_beside_bare.cpp";
constexpr std::string_view kCbcFile = "policies/batching_search/integer_program_cbc.cpp";

struct Folder {
  std::string_view name;
  int floor;
};
constexpr std::array<Folder, 7> kHouse = {
    {{"base", 0}, {"traces", 1}, {"models", 2}, {"sim", 3}, {"policies", 4}, {"real_runner", 4}, {"experiments", 5}}};

/// The folder of the house that a path lies in; nothing for tests and for libraries.
std::optional<Folder> FolderOf(std::string_view path) {
  const std::string_view name = path.substr(0, path.find('/'));
  const auto found = std::find_if(kHouse.begin(), kHouse.end(), [&](const Folder& f) { return f.name == name; });
  return found == kHouse.end() || name.size() == path.size() ? std::nullopt : std::optional(*found);
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// What stands between the quotes or brackets of an #include, "" for any other line.
std::string_view Included(std::string_view line) {
  const auto skip_blanks = [&] { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); };
  skip_blanks();
  if (!line.starts_with('#')) return "";
  line.remove_prefix(1);
  skip_blanks();
  if (!line.starts_with("include")) return "";
  const std::size_t begin = line.find_first_of("\"<");
  const std::size_t end = line.find_first_of("\">", begin + 1);
  return begin == line.npos || end == line.npos ? "" : line.substr(begin + 1, end - begin - 1);
}

/// Rooms of the floors that have some, and which other rooms of its floor each may include.
struct Room {
  std::string_view floor;
  std::string_view name;
  std::string_view may_include;  ///< names, a blank after each; "*": all of them
};
constexpr std::array<Room, 32> kRooms = {{
    {"sim", "graph", ""},
    {"sim", "engine", "graph "},
    {"sim", "plan", "graph "},
    {"sim", "build", "graph plan "},
    {"sim", "step", "graph engine plan build "},
    {"sim", "measure", "*"},
    {"policies", "api", ""},
    {"policies", "batching_search", "api "},
    {"policies", "batching", "api batching_search "},
    {"policies", "layout_search", "api "},
    {"policies", "layout", "api layout_search "},
    {"policies", "pipeline_search", "api "},
    {"policies", "pipeline", "api pipeline_search "},
    {"policies", "correction", "api "},
    {"real_runner", "kernels", ""},
    {"real_runner", "program", ""},
    {"real_runner", "messages", "kernels program "},
    {"real_runner", "execute", "kernels program messages "},
    {"real_runner", "training", "program execute "},
    {"real_runner", "cpu", "kernels execute training "},
    {"real_runner", "cuda", "kernels messages execute training "},
    {"real_runner", "profile", "kernels "},
    {"real_runner", "validate", "program execute profile "},
    {"real_runner", "commands", "*"},
    {"experiments", "spec", ""},
    {"experiments", "results", "spec "},
    {"experiments", "profile", "spec "},
    {"experiments", "report", "results profile "},
    {"experiments", "published_runs", "spec results report "},
    {"experiments", "reproduction", "spec results profile report published_runs "},
    {"experiments", "run", "spec results report "},
    {"experiments", "commands", "*"},
}};

/// The room that a path lies in; nothing on floors without rooms and in libraries.
std::optional<Room> RoomOf(std::string_view path) {
  const auto holds = [&](const Room& room) {
    return path.starts_with(room.floor) && path.substr(room.floor.size()).starts_with('/') &&
           path.substr(room.floor.size() + 1).starts_with(room.name) &&
           path.substr(room.floor.size() + 1 + room.name.size()).starts_with('/');
  };
  const auto found = std::find_if(kRooms.begin(), kRooms.end(), holds);
  return found == kRooms.end() ? std::nullopt : std::optional(*found);
}

bool MayInclude(const Room& from, const Room& to) {
  return from.name == to.name || from.may_include == "*" ||
         (" " + std::string(from.may_include)).find(" " + std::string(to.name) + " ") != std::string::npos;
}

/// Whether sources of the folder stand in rooms only.
bool HasRooms(std::string_view folder) {
  return std::any_of(kRooms.begin(), kRooms.end(), [&](const Room& room) { return room.floor == folder; });
}

bool IsSource(std::string_view path) {
  constexpr std::array<std::string_view, 4> kEndings = {".cpp", ".hpp", ".cu", ".cuh"};
  return std::any_of(kEndings.begin(), kEndings.end(), [&](auto ending) { return path.ends_with(ending); });
}

bool IsSimGrid(std::string_view header) { return header.starts_with("simgrid/") || header.starts_with("xbt/"); }
bool IsCbc(std::string_view header) { return header.starts_with("coin/"); }
bool IsJsonLibrary(std::string_view header) { return header.starts_with("nlohmann/"); }
bool IsOutsideWorld(std::string_view header) {
  constexpr std::array<std::string_view, 8> kHeaders = {"chrono",   "ctime",  "filesystem", "fstream",
                                                        "iostream", "thread", "future",     "random"};
  return std::find(kHeaders.begin(), kHeaders.end(), header) != kHeaders.end() || IsSimGrid(header);
}

std::string ComplaintAboutInclude(std::string_view path, std::string_view header) {
  const auto from = FolderOf(path);
  const auto to = FolderOf(header);
  if (from && to && from->name != to->name) {
    if (to->floor >= from->floor) return "includes upwards or sideways";
    if (to->name == "real_runner") return "experiments and real_runner meet in files only";
  }
  const auto room = RoomOf(path);
  const auto other = RoomOf(header);
  if (room && other && room->floor == other->floor && !MayInclude(*room, *other)) {
    return std::string(room->name) + " does not include " + std::string(other->name);
  }
  if (IsSimGrid(header) && path != kSimGridFile && path != kSimGridYardstick)
    return "SimGrid belongs to " + std::string(kSimGridFile);
  if (IsCbc(header) && path != kCbcFile) return "CBC belongs to " + std::string(kCbcFile);
  if (IsJsonLibrary(header) && !path.ends_with(".cpp")) return "a header spreads the JSON library";
  if (header == "random") return "random numbers come from base/random.hpp";
  if (from && from->name == "policies" && IsOutsideWorld(header)) return "policies know no clock, no I/O, no threads";
  return "";
}

/// Every rule that one file breaks, as "PATH:LINE: what".
std::vector<std::string> Complaints(const std::string& path, std::string_view text) {
  std::vector<std::string> complaints;
  const std::vector<std::string_view> lines = Lines(text);
  const auto complain = [&](std::size_t line, const std::string& what) {
    complaints.push_back(path + ":" + std::to_string(line) + ": " + what);
  };
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string_view header = Included(lines[i]);
    const std::string what = header.empty() ? "" : ComplaintAboutInclude(path, header);
    if (!what.empty()) complain(i + 1, what + ": " + std::string(header));
    const std::string_view code = lines[i].substr(0, lines[i].find("//"));
    if (code.find("std::"
                  "shuffle") != code.npos)
      complain(i + 1, "differs between libraries, use RandomStream");
  }
  const auto folder = FolderOf(path);
  if (folder && HasRooms(folder->name) && IsSource(path) && !RoomOf(path)) complain(1, "stands in no room");
  if (lines.size() > kMaxLines) complain(lines.size(), "longer than " + std::to_string(kMaxLines) + " lines");
  return complaints;
}

using Sources = std::map<std::string, std::string>;

/// The rule that no single file can break: every translation unit with the JSON library costs ten seconds.
std::vector<std::string> FilesWithJsonLibrary(const Sources& sources) {
  std::vector<std::string> files;
  for (const auto& [path, text] : sources) {
    const std::vector<std::string_view> lines = Lines(text);
    if (std::any_of(lines.begin(), lines.end(), [](auto line) { return IsJsonLibrary(Included(line)); })) {
      files.push_back(path);
    }
  }
  return files;
}

/// The paths in a comment that name a source of the house: with their folder, or by the file's name alone.
std::vector<std::string> NamedSources(std::string_view line) {
  std::vector<std::string> named;
  const std::size_t comment = line.find("//");
  if (comment == line.npos) return named;
  const auto in_path = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '/' || c == '.';
  };
  for (std::size_t i = comment + 2; i < line.size(); ++i) {
    std::size_t end = i;
    while (end < line.size() && in_path(line[end])) ++end;
    std::string word(line.substr(i, end - i));
    while (word.ends_with('.')) word.pop_back();
    const bool of_a_library = word.find('/') != word.npos && !FolderOf(word) && !word.starts_with("tests/");
    if (IsSource(word) && !word.starts_with('.') && !of_a_library) named.push_back(word);
    i = end;
  }
  return named;
}

bool Exists(const Sources& sources, const std::string& named) {
  if (named.find('/') != named.npos) return sources.contains(named);
  return std::any_of(sources.begin(), sources.end(),
                     [&](const auto& source) { return source.first.ends_with("/" + named); });
}

/// Files that comments name and that are not there (any more), as "PATH:LINE: names …".
std::vector<std::string> NamesOfNothing(const Sources& sources) {
  std::vector<std::string> complaints;
  for (const auto& [path, text] : sources) {
    if (!IsSource(path)) continue;
    const std::vector<std::string_view> lines = Lines(text);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      for (const std::string& named : NamedSources(lines[i])) {
        if (Exists(sources, named)) continue;
        complaints.emplace_back(path + ":" + std::to_string(i + 1) + ": names ").append(named);
      }
    }
  }
  return complaints;
}

Sources ReadHouse() {
  constexpr std::array<std::string_view, 8> kEndings = {".cpp", ".hpp", ".h", ".cu", ".cuh", ".js", ".sh", ".cmake"};
  const std::filesystem::path root(DFLOP_SOURCE_DIR);
  std::vector<std::string> folders = {"tests", "cmake"};
  for (const Folder& folder : kHouse) folders.emplace_back(folder.name);
  Sources sources;
  for (const std::string& folder : folders) {
    if (!std::filesystem::exists(root / folder)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      const std::string ending = entry.path().extension();
      if (!entry.is_regular_file() || std::find(kEndings.begin(), kEndings.end(), ending) == kEndings.end()) continue;
      sources[std::filesystem::relative(entry.path(), root)] = ReadFile(entry.path());
    }
  }
  return sources;
}

TEST(House, EveryFileKeepsTheRules) {
  const Sources sources = ReadHouse();
  ASSERT_TRUE(sources.contains("base/json.cpp")) << "looked in the wrong place: " << DFLOP_SOURCE_DIR;
  for (const auto& [path, text] : sources) {
    for (const std::string& complaint : Complaints(path, text)) ADD_FAILURE() << complaint;
  }
}

TEST(House, FilesNamedInCommentsExist) {
  for (const std::string& complaint : NamesOfNothing(ReadHouse())) ADD_FAILURE() << complaint;
}

TEST(House, JsonLibraryStaysInAFewTranslationUnits) {
  const std::vector<std::string> files = FilesWithJsonLibrary(ReadHouse());
  EXPECT_GE(files.size(), 1u) << "the search finds nothing";
  EXPECT_LE(files.size(), kMaxJsonLibraryFiles) << testing::PrintToString(files);
}

// The rest shows that every rule can fail, and that it does not fail by mistake.

void ExpectOneComplaint(const std::string& path, const std::string& text, const std::string& about) {
  const std::vector<std::string> complaints = Complaints(path, text);
  ASSERT_EQ(complaints.size(), 1u) << path << ": " << text;
  EXPECT_NE(complaints[0].find(about), std::string::npos) << complaints[0];
}

void ExpectNoComplaint(const std::string& path, const std::string& text) {
  EXPECT_EQ(Complaints(path, text), std::vector<std::string>()) << path << ": " << text;
}

TEST(HouseRules, IncludesRunDownwardsOnly) {
  ExpectOneComplaint("base/json.cpp", "#include \"traces/sample.hpp\"\n", "base/json.cpp:1: includes upwards");
  ExpectOneComplaint("sim/step/step.cpp", "\n  #  include \"policies/api/registry.hpp\"",
                     "sim/step/step.cpp:2: includes upwards");
  ExpectOneComplaint("policies/batching/lpt.cpp", "#include \"real_runner/execute/run.hpp\"", "sideways");
  ExpectOneComplaint("real_runner/execute/run.cpp", "#include \"experiments/run/run.hpp\"", "upwards");
  ExpectNoComplaint("policies/batching/lpt.cpp",
                    "#include \"policies/batching/lpt.hpp\"\n#include \"sim/plan/layout.hpp\"\n");
  ExpectNoComplaint("experiments/run/run.cpp", "#include \"base/json.hpp\"\n#include \"policies/api/registry.hpp\"\n");
  ExpectNoComplaint("tests/run_test.cpp", "#include \"experiments/run/run.hpp\"\n");
  ExpectNoComplaint("base/json.cpp", "// #include \"traces/sample.hpp\"\n#include <random_access>\n");
}

TEST(HouseRules, RoomsKeepTheirArrows) {
  ExpectOneComplaint("sim/engine/replay.cpp", "#include \"sim/plan/layout.hpp\"\n", "engine does not include plan");
  ExpectOneComplaint("policies/api/registry.cpp", "#include \"policies/batching/lpt.hpp\"\n", "api does not include");
  ExpectNoComplaint("sim/measure/idle.cpp", "#include \"sim/build/graph_builder.hpp\"\n");
  ExpectNoComplaint("tests/sim/idle_test.cpp", "#include \"sim/build/graph_builder.hpp\"\n");
  ExpectOneComplaint("sim/idle.cpp", "\n", "stands in no room");
  ExpectNoComplaint("base/json.cpp", "\n");
}

TEST(HouseRules, CommentsNameWhatIsThere) {
  const auto complaints = [](const std::string& comment) {
    return NamesOfNothing({{"sim/step/step.cpp", "int x;  // " + comment}, {"base/json.hpp", ""}});
  };
  EXPECT_EQ(complaints("as in base/json.hpp, json.hpp and (step.cpp)."), std::vector<std::string>());
  EXPECT_EQ(complaints("as simgrid/s4u.hpp does, in *.cpp"), std::vector<std::string>());
  EXPECT_EQ(complaints("see sim/idle.cpp."), std::vector<std::string>{"sim/step/step.cpp:1: names sim/idle.cpp"});
  EXPECT_EQ(complaints("(idle.cpp)"), std::vector<std::string>{"sim/step/step.cpp:1: names idle.cpp"});
}

TEST(HouseRules, ExperimentsNeverIncludeTheRealRunner) {
  ExpectOneComplaint("experiments/run/run.cpp", "#include \"real_runner/execute/run.hpp\"", "meet in files only");
}

TEST(HouseRules, SimGridStaysInItsEngine) {
  ExpectOneComplaint("sim/step/step.cpp", "#include <simgrid/s4u.hpp>", "SimGrid belongs to");
  ExpectOneComplaint("tests/sim/engine_test.cpp", "#include <xbt/log.h>", "SimGrid belongs to");
  ExpectOneComplaint("policies/batching/lpt.cpp", "#include <simgrid/s4u.hpp>", "SimGrid belongs to");
  ExpectNoComplaint("sim/engine/simgrid_engine.cpp", "#include <simgrid/s4u.hpp>");
}

TEST(HouseRules, CbcStaysInItsFile) {
  ExpectOneComplaint("policies/batching/ilp.cpp", "#include <coin/Cbc_C_Interface.h>", "CBC belongs to");
  ExpectNoComplaint("policies/batching_search/integer_program_cbc.cpp", "#include <coin/Cbc_C_Interface.h>");
}

TEST(HouseRules, JsonLibraryNeverStandsInAHeaderNorInFourFiles) {
  const std::string include = "#include <nlohmann/json.hpp>\n";
  ExpectOneComplaint("base/json.hpp", include, "spreads the JSON library");
  ExpectNoComplaint("base/json.cpp", include);
  const Sources four = {{"a.cpp", include}, {"b.cpp", include}, {"c.cpp", "\n" + include}, {"d.cpp", include}};
  EXPECT_GT(FilesWithJsonLibrary(four).size(), kMaxJsonLibraryFiles);
  EXPECT_TRUE(FilesWithJsonLibrary({{"a.cpp", "#include \"base/json.hpp\"\n// nlohmann/json\n"}}).empty());
}

TEST(HouseRules, PoliciesKnowNoClockNoFilesNoThreads) {
  for (const std::string header : {"chrono", "ctime", "filesystem", "fstream", "iostream", "thread", "future"}) {
    ExpectOneComplaint("policies/batching/lpt.cpp", "#include <" + header + ">",
                       "no clock, no I/O, no threads: " + header);
    ExpectNoComplaint("experiments/run/run.cpp", "#include <" + header + ">");
  }
}

TEST(HouseRules, RandomNumbersComeFromOurOwnStreams) {
  ExpectOneComplaint("tests/a_test.cpp", "#include <random>", "base/random.hpp");
  ExpectOneComplaint("sim/step/step.cpp",
                     "int x;\n  std::"
                     "shuffle(a, b, c);",
                     "sim/step/step.cpp:2: differs between libraries");
  ExpectNoComplaint("sim/step/step.cpp",
                    "// never std::"
                    "shuffle\nrandom.Shuffle(items);");
}

TEST(HouseRules, FilesStayShort) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "x\n";
  ExpectNoComplaint("sim/step/step.cpp", text);
  ExpectOneComplaint("sim/step/step.cpp", text + "x", "longer than 500 lines");
}

}  // namespace
}  // namespace dflop
