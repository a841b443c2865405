// What a table leaves open stays open here: assumptions are made, and told, where a scenario is made of a row.
#include "experiments/published_runs/published_row.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <filesystem>

#include "base/csv.hpp"
#include "base/error.hpp"

namespace dflop {
namespace {

constexpr double kLargestCount = 100'000'000;
constexpr double kLongestStep = 1e9;
constexpr double kShortestStep = 1e-9;
constexpr int kVTrainVocabulary = 51200;
constexpr int kGpusOfOneNode = 8;

std::string Trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// A name without what makes a spreadsheet take it for a formula.
std::string PlainName(const std::string& name) {
  const std::size_t begin = name.find_first_not_of("=+-@ \t");
  return begin == std::string::npos ? "" : name.substr(begin);
}

/// The cells of one row by the names of their columns; a column that is absent holds nothing.
class RowCells {
 public:
  RowCells(const CsvTable& table, std::size_t row) : table_(table), row_(row) {}

  std::string Text(const char* column) const {
    if (!table_.Has(column)) return "";
    const std::string text = Trimmed(table_.rows[row_][table_.Column(column)]);
    constexpr std::array<const char*, 4> kNothing = {"-", "–", "?", "n/a"};
    const bool nothing = std::any_of(kNothing.begin(), kNothing.end(), [&](const char* word) { return text == word; });
    return nothing ? "" : text;
  }

  /// 0 where the cell is empty.
  double Number(const char* column, double min, double max) const {
    return Text(column).empty() ? 0 : table_.Number(row_, table_.Column(column), min, max);
  }

  int Count(const char* column, int min = 1) const {
    const double number = Number(column, min, kLargestCount);
    if (std::floor(number) != number) {
      table_.Fail(row_, "column \"" + std::string(column) + "\" holds " + Text(column) + ", a whole number is wanted");
    }
    return static_cast<int>(number);
  }

 private:
  const CsvTable& table_;
  std::size_t row_;
};

void ReadLayoutCells(const RowCells& cells, PublishedRow& row) {
  row.gpus = cells.Count("gpus");
  row.nodes = cells.Count("nodes");
  row.tp = cells.Count("tp");
  row.pp = cells.Count("pp");
  row.vp = cells.Count("vp", 0);
  row.dp = cells.Count("dp");
  row.cp = cells.Count("cp");
  row.ep = cells.Count("ep");
  row.micro_batch = cells.Count("micro_batch");
  row.global_batch = cells.Count("global_batch");
}

PublishedRow ReadPublished(const RowCells& cells) {
  PublishedRow row;
  row.source = PlainName(cells.Text("source"));
  row.model = PlainName(cells.Text("model"));
  row.gpu = cells.Text("gpu");
  row.precision = cells.Text("precision");
  row.recompute = cells.Text("act_recompute");
  row.framework = cells.Text("framework");
  row.notes = cells.Text("notes");
  row.layers = cells.Count("layers");
  row.hidden = cells.Count("hidden");
  row.heads = cells.Count("heads");
  row.kv_heads = cells.Count("kv_heads");
  row.ffn = cells.Count("ffn");
  row.vocab = cells.Count("vocab");
  row.seq_len = cells.Count("seq_len");
  row.experts = cells.Count("experts", 0);
  row.top_k = cells.Count("topk", 0);
  ReadLayoutCells(cells, row);
  row.step_time_s = cells.Number("step_time_s", kShortestStep, kLongestStep);
  const double rate = cells.Number("tokens_per_s_per_gpu", kShortestStep, 1e12);
  if (row.step_time_s <= 0 && rate > 0 && row.gpus > 0) {
    row.step_time_s = static_cast<double>(row.global_batch) * row.seq_len / (rate * row.gpus);
  }
  return row;
}

/// GPT on A100 in fp16, everything recomputed, as that validation ran (VIA-Research/vTrain).
PublishedRow ReadVTrain(const RowCells& cells) {
  PublishedRow row;
  ReadLayoutCells(cells, row);
  row.source = row.gpus <= kGpusOfOneNode ? "vTrain, one node" : "vTrain, many nodes";
  row.hidden = cells.Count("hidden");
  row.heads = cells.Count("heads");
  row.layers = cells.Count("layers");
  row.seq_len = cells.Count("seq");
  row.kv_heads = row.heads;
  row.ffn = 4 * row.hidden;
  row.vocab = kVTrainVocabulary;
  row.model = "gpt-" + std::to_string(row.layers) + "x" + std::to_string(row.hidden);
  row.gpu = "A100-SXM-80GB";
  row.precision = "fp16";
  row.recompute = "full";
  row.framework = "vTrain";
  row.notes = "8x100 Gb/s per node";
  row.step_time_s = cells.Number("measured_s", kShortestStep, kLongestStep);
  return row;
}

void RequireColumns(const CsvTable& table, const std::vector<const char*>& names) {
  for (const char* name : names) table.Column(name);
}

/// True for vTrain's columns.
bool IsVTrain(const CsvTable& table) {
  if (table.Has("step_time_s")) {
    RequireColumns(table, {"source", "model", "layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "seq_len", "gpu",
                           "gpus", "tp", "pp", "micro_batch", "global_batch", "precision"});
    return false;
  }
  if (!table.Has("measured_s")) {
    throw InputError(table.file, "",
                     "is no table of published runs: neither a column \"step_time_s\" nor, as in vTrain's tables, "
                     "\"measured_s\"");
  }
  RequireColumns(table, {"gpus", "global_batch", "micro_batch", "hidden", "heads", "layers", "seq", "tp", "dp", "pp"});
  return true;
}

}  // namespace

std::vector<PublishedRow> ReadPublishedRows(const std::string& path) {
  const CsvTable table = ReadCsv(path);
  const bool vtrain = IsVTrain(table);
  std::vector<PublishedRow> rows;
  rows.reserve(table.rows.size());
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const RowCells cells(table, i);
    rows.push_back(vtrain ? ReadVTrain(cells) : ReadPublished(cells));
    rows.back().table = std::filesystem::path(path).filename().string();
    rows.back().line = table.lines[i];
  }
  return rows;
}

bool Mentions(const std::string& text, const std::string& word) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  const auto same = [&](char a, char b) { return lower(a) == lower(b); };
  return std::search(text.begin(), text.end(), word.begin(), word.end(), same) != text.end();
}

}  // namespace dflop
