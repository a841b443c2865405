// The rules of the house, read off the sources: who may include whom, which libraries stay where, how long a file gets.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
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
  if (IsSimGrid(header) && path != "sim/simgrid_engine.cpp") return "SimGrid belongs to sim/simgrid_engine.cpp";
  if (IsCbc(header) && path != "policies/integer_program_cbc.cpp") return "CBC belongs to integer_program_cbc.cpp";
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
  ExpectOneComplaint("sim/step.cpp", "\n  #  include \"policies/registry.hpp\"", "sim/step.cpp:2: includes upwards");
  ExpectOneComplaint("policies/lpt.cpp", "#include \"real_runner/run.hpp\"", "sideways");
  ExpectOneComplaint("real_runner/run.cpp", "#include \"experiments/run.hpp\"", "upwards");
  ExpectNoComplaint("policies/lpt.cpp", "#include \"policies/lpt.hpp\"\n#include \"sim/layout.hpp\"\n");
  ExpectNoComplaint("experiments/run.cpp", "#include \"base/json.hpp\"\n#include \"policies/registry.hpp\"\n");
  ExpectNoComplaint("tests/run_test.cpp", "#include \"experiments/run.hpp\"\n");
  ExpectNoComplaint("base/json.cpp", "// #include \"traces/sample.hpp\"\n#include <random_access>\n");
}

TEST(HouseRules, ExperimentsNeverIncludeTheRealRunner) {
  ExpectOneComplaint("experiments/run.cpp", "#include \"real_runner/run.hpp\"", "meet in files only");
}

TEST(HouseRules, SimGridStaysInItsEngine) {
  ExpectOneComplaint("sim/step.cpp", "#include <simgrid/s4u.hpp>", "SimGrid belongs to");
  ExpectOneComplaint("tests/engine_test.cpp", "#include <xbt/log.h>", "SimGrid belongs to");
  ExpectOneComplaint("policies/lpt.cpp", "#include <simgrid/s4u.hpp>", "SimGrid belongs to");
  ExpectNoComplaint("sim/simgrid_engine.cpp", "#include <simgrid/s4u.hpp>");
}

TEST(HouseRules, CbcStaysInItsFile) {
  ExpectOneComplaint("policies/ilp_batcher.cpp", "#include <coin/Cbc_C_Interface.h>", "CBC belongs to");
  ExpectNoComplaint("policies/integer_program_cbc.cpp", "#include <coin/Cbc_C_Interface.h>");
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
    ExpectOneComplaint("policies/lpt.cpp", "#include <" + header + ">", "no clock, no I/O, no threads: " + header);
    ExpectNoComplaint("experiments/run.cpp", "#include <" + header + ">");
  }
}

TEST(HouseRules, RandomNumbersComeFromOurOwnStreams) {
  ExpectOneComplaint("tests/a_test.cpp", "#include <random>", "base/random.hpp");
  ExpectOneComplaint("sim/step.cpp",
                     "int x;\n  std::"
                     "shuffle(a, b, c);",
                     "sim/step.cpp:2: differs between libraries");
  ExpectNoComplaint("sim/step.cpp",
                    "// never std::"
                    "shuffle\nrandom.Shuffle(items);");
}

TEST(HouseRules, FilesStayShort) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "x\n";
  ExpectNoComplaint("sim/step.cpp", text);
  ExpectOneComplaint("sim/step.cpp", text + "x", "longer than 500 lines");
}

}  // namespace
}  // namespace dflop
