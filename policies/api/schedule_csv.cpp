// The dialect shows in the file as a whole: BW is of the old one, I of the new.
#include "policies/api/schedule_csv.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "policies/api/checked_plugins.hpp"
#include "policies/api/schedule_csv_rules.hpp"

namespace dflop {
namespace {

constexpr int kMostStage = 1 << 16;
constexpr int kMostMicrobatch = 1 << 20;

struct Action {
  int stage = 0;
  std::string type;
  int microbatch = -1;
};

/// A cell and where it stands.
struct Cell {
  Action action;
  std::size_t row = 0;
  std::size_t column = 0;
  bool begins_pair = false;  ///< with the backward in the next one, of the same place in the file
};

class ScheduleReader {
 public:
  ScheduleReader(const std::string& text, std::string name) : name_(std::move(name)) { ReadCells(text); }

  ScheduleFile Read() {
    ScheduleFile file;
    file.placement = PlacementOfCells();
    file.chunks = ChunksOf(file.placement);
    file.orders.resize(rows_);
    std::map<int, int> chunk_of;  // by stage
    std::vector<int> met(rows_);
    for (std::size_t stage = 0; stage < file.placement.size(); ++stage) {
      chunk_of[static_cast<int>(stage)] = met[static_cast<std::size_t>(file.placement[stage])]++;
    }
    std::vector<CsvComputation> computations;
    for (const Cell& cell : cells_) {
      const Action& action = cell.action;
      computations.push_back({KindOf(cell), action.stage, action.microbatch, cell.row, cell.column});
      ScheduledOp op{computations.back().kind, action.microbatch, chunk_of.at(action.stage)};
      if (cell.begins_pair) op.pair = 1;
      file.orders[cell.row].push_back(op);
      file.microbatches = std::max(file.microbatches, action.microbatch + 1);
    }
    const CsvFailure fail = [this](std::size_t row, std::size_t column, const std::string& rule) {
      FailAt(row, column, rule);
    };
    CheckCsvComputations(computations, static_cast<int>(file.placement.size()), file.microbatches, fail);
    CheckCsvMessages(computations, messages_, file.placement, fail);
    return file;
  }

 private:
  [[noreturn]] void FailAt(std::size_t row, std::size_t column, const std::string& what) const {
    throw InputError(name_ + ": row " + std::to_string(row + 1) + ", column " + std::to_string(column + 1) + ": " +
                     what);
  }

  void ReadCells(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line); ++rows_) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      std::istringstream row(line);
      std::size_t column = 0;
      for (std::string cell; std::getline(row, cell, ','); ++column) ReadCell(cell, column);
    }
    if (cells_.empty()) throw InputError(name_ + ": holds no action");
  }

  void ReadCell(const std::string& text, std::size_t column) {
    if (text.empty()) return;
    if (text.front() == '(') return ReadPair(text, column);
    std::size_t at = 0;
    Action action;
    action.stage = NumberAt(text, at, kMostStage);
    if (action.stage < 0) FailAt(rows_, column, "is " + JsonQuote(text) + ", no <stage><type><microbatch>");
    for (; at < text.size() && (std::isupper(static_cast<unsigned char>(text[at])) || text[at] == '_'); ++at) {
      action.type += text[at];
    }
    action.microbatch = NumberAt(text, at, kMostMicrobatch);
    const bool whole = at == text.size();
    constexpr std::array<const char*, 3> kOfParameters = {"UNSHARD", "RESHARD", "REDUCE_GRAD"};
    const bool of_parameters =
        std::find(kOfParameters.begin(), kOfParameters.end(), action.type) != kOfParameters.end();
    if (of_parameters && whole && action.microbatch < 0) return;
    if (IsMessage(action.type) && whole && action.microbatch >= 0) {
      messages_.push_back({action.type.starts_with("SEND"), action.type.ends_with('F'), action.stage, action.microbatch,
                           rows_, column});
      return;
    }
    constexpr std::array<const char*, 5> kComputations = {"F", "I", "W", "B", "BW"};
    const bool known = std::find(kComputations.begin(), kComputations.end(), action.type) != kComputations.end();
    if (!known || !whole || action.microbatch < 0) {
      FailAt(rows_, column,
             "is " + JsonQuote(text) + ", no action; computations are F, I, W, B or BW, messages SEND_F, RECV_F, " +
                 "SEND_B or RECV_B, each with its microbatch, UNSHARD, RESHARD and REDUCE_GRAD go without");
    }
    is_old_ |= action.type == "BW";
    is_new_ |= action.type == "I";
    has_weights_ |= action.type == "W";
    cells_.push_back({std::move(action), rows_, column});
  }

  /// `(<forward>;<backward>)OVERLAP_F_B`, of today's dialect alone.
  void ReadPair(const std::string& text, std::size_t column) {
    constexpr std::string_view kEnd = ")OVERLAP_F_B";
    const std::size_t middle = text.find(';'), end = text.find(kEnd);
    const std::size_t before = cells_.size();
    if (middle < end && end + kEnd.size() == text.size()) {
      ReadCell(text.substr(1, middle - 1), column);
      ReadCell(text.substr(middle + 1, end - middle - 1), column);
    }
    const bool both =
        cells_.size() == before + 2 && cells_[before].action.type == "F" && cells_.back().action.type == "B";
    if (!both) FailAt(rows_, column, "is " + JsonQuote(text) + ", no (<forward>;<whole backward>)OVERLAP_F_B");
    cells_[before].begins_pair = true;
    is_new_ = true;
  }

  static bool IsMessage(const std::string& type) {
    return type == "SEND_F" || type == "RECV_F" || type == "SEND_B" || type == "RECV_B";
  }

  /// −1: none there.
  static int NumberAt(const std::string& text, std::size_t& at, int most) {
    int number = -1;
    for (; at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])); ++at) {
      number = std::max(number, 0) * 10 + (text[at] - '0');
      if (number > most) return -1;
    }
    return number;
  }

  OpKind KindOf(const Cell& cell) const {
    const std::string& type = cell.action.type;
    if (is_old_ && is_new_) FailAt(cell.row, cell.column, "BW and I, or a pair, are of two dialects");
    if (type == "F") return OpKind::kForward;
    if (type == "W") return OpKind::kBackwardWeight;
    if (type == "I") return OpKind::kBackwardInput;
    // Beside weights' backwards and without I, B can only be the input's.
    const bool input_only = type == "B" && !is_new_ && (is_old_ || has_weights_);
    return input_only ? OpKind::kBackwardInput : OpKind::kBackward;
  }

  Placement PlacementOfCells() const {
    std::map<int, std::size_t> row_of;
    for (const Cell& cell : cells_) {
      const auto [entry, is_new] = row_of.try_emplace(cell.action.stage, cell.row);
      if (entry->second != cell.row) {
        FailAt(cell.row, cell.column,
               "stage " + std::to_string(cell.action.stage) + " is on row " + std::to_string(entry->second + 1) +
                   " too; a stage is on one rank");
      }
    }
    Placement placement;
    for (const auto& [stage, row] : row_of) {
      if (stage != static_cast<int>(placement.size())) {
        throw InputError(name_ + ": stage " + std::to_string(placement.size()) + " has no action");
      }
      placement.push_back(static_cast<int>(row));
    }
    return placement;
  }

  int ChunksOf(const Placement& placement) const {
    const std::size_t chunks = placement.size() / std::max<std::size_t>(rows_, 1);
    if (chunks * rows_ != placement.size()) {
      throw InputError(name_ + ": " + std::to_string(placement.size()) + " stages do not divide over " +
                       std::to_string(rows_) + " rows");
    }
    return static_cast<int>(chunks);
  }

  std::string name_;
  std::vector<Cell> cells_;
  std::vector<CsvMessage> messages_;
  std::size_t rows_ = 0;
  bool is_old_ = false, is_new_ = false, has_weights_ = false;
};

}  // namespace

ScheduleFile ReadScheduleCsv(const std::string& text, const std::string& name) {
  ScheduleFile file = ScheduleReader(text, name).Read();
  ScheduleProblem problem{file.devices(), file.microbatches, file.chunks, file.placement};
  const std::string wrong = WhyOrdersFail(file.orders, problem);
  if (!wrong.empty()) throw InputError(name + ": the rows cannot run, device n being row n + 1: " + wrong);
  return file;
}

}  // namespace dflop
