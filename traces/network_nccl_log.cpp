// Text logs of nccl-tests. A log is a row of tests: what their comments say holds for the rows behind them.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "base/error.hpp"
#include "traces/network_rows.hpp"

namespace dflop {
namespace {

[[noreturn]] void FailAt(const std::string& path, std::size_t line, const std::string& what) {
  throw InputError(path, std::to_string(line), what);
}

std::vector<std::string> Words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(std::move(word));
  return words;
}

/// The word behind `name`; "" when there is none.
std::string WordBehind(const std::vector<std::string>& words, const std::string& name) {
  const auto found = std::find(words.begin(), words.end(), name);
  return found == words.end() || found + 1 == words.end() ? "" : *(found + 1);
}

/// A whole number behind `name`, at least 1.
int CountBehind(const std::vector<std::string>& words, const std::string& name) {
  return std::clamp(std::atoi(WordBehind(words, name).c_str()), 1, kMostCollectiveRanks);
}

/// What mpirun (--tag-output) and srun (--label) put before every line: "[1,0]<stdout>:", "0: ".
std::string WithoutTag(const std::string& line) {
  if (line.starts_with('[')) {
    const std::size_t end = line.find(">:");
    return end != std::string::npos && line.find("]<") < end ? line.substr(end + 2) : line;
  }
  const std::size_t digits = line.find_first_not_of("0123456789", line.find_first_not_of(' '));
  const bool label = digits != std::string::npos && digits > 0 && line.compare(digits, 2, ": ") == 0;
  return label ? line.substr(digits + 2) : line;
}

bool IsNumber(const std::string& word) {
  char* end = nullptr;
  std::strtod(word.c_str(), &end);
  return !word.empty() && end == word.c_str() + word.size();
}

/// Chatter of NCCL and launchers may begin with a number too, but not with a size and a count.
bool IsRow(const std::vector<std::string>& words) {
  return IsNumber(words[0]) && (words.size() == 1 || IsNumber(words[1]));
}

/// One run of one program: its comments and the line numbers of what may be wrong in them.
struct Test {
  std::string program{};  ///< all_reduce_perf; "" when it is not said
  int of_process = 1;     ///< ranks: threads × GPUs
  int rank_lines = 0;
  std::map<std::string, int> hosts{};  ///< rank lines of each
  std::set<std::string> groups{};
  std::vector<std::string> columns{};  ///< as its table calls them; none when the comments were cut away
  std::size_t line = 0;                ///< where it begins
  std::vector<CollectiveRow> rows{};

  int ranks() const { return std::max(rank_lines, of_process); }
  /// The most on one host, where the lines of all ranks are there.
  int ranks_per_node() const {
    int most = 0;
    for (const auto& [host, ranks] : hosts) most = std::max(most, ranks);
    return rank_lines == ranks() && hosts.size() > 1 ? most : ranks();
  }
};

class LogReader {
 public:
  LogReader(const std::string& path, const NetworkImport& import) : path_(path), import_(import) {}

  void Read(const std::string& text) {
    std::istringstream in(text);
    for (std::string tagged; std::getline(in, tagged);) {
      ++line_;
      const std::string line = WithoutTag(tagged);
      const std::vector<std::string> words = Words(line);
      if (words.empty()) continue;
      if (words[0].starts_with('#')) {
        Comment(line, words);
      } else if (IsRow(words)) {
        Row(line, words);
      } else {
        Chatter(words);
      }
    }
  }

  NetworkTrace Finish() {
    NetworkTrace trace;
    trace.source = "nccl-tests: " + FileNameOf(path_);
    trace.software = software_;
    for (Test& test : tests_) {
      if (!test.rows.empty()) Append(test, trace.rows);
    }
    if (trace.rows.empty()) throw InputError(path_, "", "holds no row of nccl-tests");
    return trace;
  }

 private:
  void Begin() {
    tests_.push_back({.program = program_, .line = line_});
    program_.clear();
  }

  void Comment(const std::string& line, const std::vector<std::string>& words) {
    Test& test = tests_.back();
    if (line.find("nThread") != std::string::npos && line.find("nGpus") != std::string::npos) {
      Begin();
      tests_.back().of_process = CountBehind(words, "nThread") * CountBehind(words, "nGpus");
    } else if (line.find("Using devices") != std::string::npos) {
      if (test.rank_lines > 0 || !test.rows.empty()) Begin();
    } else if (line.find("test starting:") != std::string::npos) {
      program_ = words.back();
    } else if (words.size() > 2 && words[1] == "Rank") {
      ++test.rank_lines;
      if (const std::string host = WordBehind(words, "on"); !host.empty()) ++test.hosts[host];
      if (const std::string group = WordBehind(words, "Group"); !group.empty()) test.groups.insert(group);
    } else if (words.size() > 5 && (words[1] == "size" || words[1] == "bytes")) {
      test.columns.assign(words.begin() + 1, words.end());
    } else if (line.find("Out of bounds values") != std::string::npos && line.find("FAILED") != std::string::npos) {
      FailAt(path_, line_, "nccl-tests found wrong values");
    }
    const std::size_t library = line.find("nccl-library=");
    if (library != std::string::npos) software_ = NcclVersionText(std::atol(line.c_str() + library + 13));
  }

  /// Scripts echo the command line; NCCL_DEBUG=VERSION says which NCCL it is.
  void Chatter(const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      if (word.find("_perf") != std::string::npos && !CollectiveNameOf(FileNameOf(word)).empty()) {
        program_ = FileNameOf(word);
      }
    }
    const auto nccl = std::find(words.begin(), words.end(), "NCCL");
    if (nccl != words.end() && nccl + 1 != words.end() && *(nccl + 1) == "version" && software_.empty()) {
      const std::string version = WordBehind(words, "version");
      software_ = version.empty() ? "" : "NCCL " + version.substr(0, version.find('+'));
    }
  }

  /// Finite and positive.
  double Positive(const std::string& word, const char* what) const {
    const double value = IsNumber(word) ? std::strtod(word.c_str(), nullptr) : 0;
    if (!std::isfinite(value) || value <= 0) {
      FailAt(path_, line_, std::string(what) + " is " + JsonQuote(word) + ", a positive number is wanted");
    }
    return value;
  }

  /// size, count, type, then redop and root or one or neither, then time, algbw, busbw and errors, out of place and in
  /// place. Logs without their comments are taken as the layouts since 2.0.
  void Row(const std::string& line, const std::vector<std::string>& words) {
    if (words[0] == "0") return;  // nothing was sent
    const Layout layout = LayoutOf(line, words);
    const bool in_place = words[layout.time] == "N/A";
    if (in_place && layout.in_place == 0) FailAt(path_, line_, "holds no time");
    const std::size_t time = in_place ? layout.in_place : layout.time;
    CheckErrors(words[time + 3], layout);
    CollectiveRow row;
    row.bytes = Positive(words[0], "the size");
    if (row.bytes > kMostCollectiveBytes || row.bytes != std::floor(row.bytes)) {
      FailAt(path_, line_, "the size is " + JsonQuote(words[0]) + ", whole bytes up to 1e15 are wanted");
    }
    row.dtype = words[2];
    row.seconds = Positive(words[time], "the time") * layout.seconds;
    if (row.seconds > kMostCollectiveSeconds) FailAt(path_, line_, "the time is more than a million seconds");
    Test& test = tests_.back();
    if (test.program.empty()) test.program = std::exchange(program_, "");
    test.rows.push_back(std::move(row));
  }

  struct Layout {
    std::size_t time = 0;
    std::size_t in_place = 0;  ///< 0: has none
    double seconds = 1e-6;     ///< of a unit of time
    bool counts_errors = true;
  };

  Layout LayoutOf(const std::string& line, const std::vector<std::string>& words) const {
    const std::vector<std::string>& columns = tests_.back().columns;
    if (columns.empty()) {
      CheckWidth(words.size(), 11, 13);
      return {.time = words.size() - 8, .in_place = words.size() - 4};
    }
    const auto is_time = [](const std::string& name) { return name == "time" || name == "cputime"; };
    const auto first = std::find_if(columns.begin(), columns.end(), is_time);
    const auto second = first == columns.end() ? first : std::find_if(first + 1, columns.end(), is_time);
    Layout layout;
    layout.time = static_cast<std::size_t>(first - columns.begin());
    if (layout.time < 3 || layout.time + 3 >= columns.size()) FailAt(path_, line_, "stands below no column of times");
    if (second != columns.end()) layout.in_place = static_cast<std::size_t>(second - columns.begin());
    layout.counts_errors = columns[layout.time + 3] == "#wrong";
    if (columns[0] == "bytes") layout.seconds = 1e-3;                                    // before 2.0
    const std::size_t width = columns.size() + (columns.back() == "timestamp" ? 1 : 0);  // a date and an hour
    // Some versions leave blanks where nothing was measured out of place.
    if (layout.in_place > 0 && line.find(std::string(32, ' ')) != std::string::npos) {
      CheckWidth(words.size(), width - 4, width - 4);
      return {layout.time, 0, layout.seconds, layout.counts_errors};
    }
    CheckWidth(words.size(), width, width);
    return layout;
  }

  void CheckWidth(std::size_t words, std::size_t least, std::size_t most) const {
    if (words >= least && words <= most) return;
    const std::string wanted =
        least == most ? std::to_string(least) : std::to_string(least) + " to " + std::to_string(most);
    FailAt(path_, line_, "has " + std::to_string(words) + " columns, a row of this log has " + wanted);
  }

  /// Older versions give the largest difference instead of a count, and say themselves at the end whether that was bad.
  void CheckErrors(const std::string& errors, const Layout& layout) const {
    if (errors == "N/A" || !layout.counts_errors) return;
    if (!IsNumber(errors)) FailAt(path_, line_, "the errors are " + JsonQuote(errors) + ", a number is wanted");
    const double count = std::strtod(errors.c_str(), nullptr);
    const bool difference = tests_.back().columns.empty() && std::abs(count) < 1;
    if (count != 0 && !difference) FailAt(path_, line_, "nccl-tests found " + errors + " wrong values in this row");
  }

  void CheckRanks(const Test& test) const {
    if (test.ranks() < 2) FailAt(path_, test.line, "the comments name fewer than two ranks");
    if (test.groups.size() > 1) {
      FailAt(path_, test.line,
             "the ranks are in " + std::to_string(test.groups.size()) +
                 " groups, which share links: not lone collectives");
    }
    if (test.rank_lines > 1 && test.rank_lines % test.of_process != 0) {
      FailAt(path_, test.line,
             "names " + std::to_string(test.rank_lines) + " ranks, processes have " + std::to_string(test.of_process));
    }
  }

  void Append(Test& test, std::vector<CollectiveRow>& rows) const {
    CheckRanks(test);
    const std::string said = CollectiveNameOf(test.program);
    if (said.empty() && !test.program.empty()) {
      FailAt(path_, test.line, "is a test of no collective that is known: " + JsonQuote(test.program));
    }
    const std::string op = said.empty() ? CollectiveOfFile(path_, import_) : said;
    for (CollectiveRow& row : test.rows) {
      row.op = op;
      row.ranks = test.ranks();
      row.ranks_per_node =
          import_.ranks_per_node > 0 ? std::min(import_.ranks_per_node, row.ranks) : test.ranks_per_node();
      rows.push_back(std::move(row));
    }
  }

  const std::string& path_;
  const NetworkImport& import_;
  std::size_t line_ = 0;
  std::string program_;
  std::string software_;
  std::vector<Test> tests_{Test{.line = 1}};
};

}  // namespace

NetworkTrace ReadNcclLog(std::string_view text, const std::string& path, const NetworkImport& import) {
  LogReader reader(path, import);
  reader.Read(std::string(text));
  return reader.Finish();
}

}  // namespace dflop
