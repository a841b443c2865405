// Checks on reading what its optimizer takes for granted: two points for every line, no row twice, curves that pair up.
#include "traces/release_profile.hpp"

#include <algorithm>
#include <filesystem>

#include "base/csv.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

namespace dflop {
namespace {

constexpr int kMostSize = 1'000'000'000;  // tiles or tokens
constexpr double kMostTime = 1e12;
constexpr double kMostGib = 1e9;
constexpr int kMostLayers = 1'000'000;
constexpr int kMostTp = 1024;
constexpr const char* kSamples = "samples.json";

struct Paths {
  std::string encoder;
  std::string llm;
  std::string llm_without_attention;
  std::string encoder_memory;
  std::string llm_memory;
  std::string samples;
};

Paths PathsIn(const std::string& folder, const ReleaseNames& names) {
  const std::string time = folder + "/thr_" + names.mllm + "_";
  const std::string memory = folder + "/mem_" + names.mllm + "_";
  return {time + names.encoder + ".csv",   time + names.llm + ".csv",   time + names.llm + "_skip_attn.csv",
          memory + names.encoder + ".csv", memory + names.llm + ".csv", folder + "/" + kSamples};
}

int Whole(const CsvTable& table, std::size_t row, const char* column, int most) {
  const double value = table.Number(row, table.Column(column), 1, most);
  if (value != static_cast<int>(value)) table.Fail(row, std::string(column) + " is no whole number");
  return static_cast<int>(value);
}

/// A second measurement of the same would make its curves jump; its profiler appends where a file is already there.
template <typename Row, typename Same>
void CheckNew(const CsvTable& table, std::size_t row, const std::vector<Row>& rows, const Row& added, Same same) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (same(rows[i], added)) table.Fail(row, "measures again what line " + std::to_string(table.lines[i]) + " does");
  }
}

std::vector<ReleaseProfile::Time> ReadTimes(const std::string& path, const char* size) {
  const CsvTable table = ReadCsv(path);
  std::vector<ReleaseProfile::Time> times;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const ReleaseProfile::Time time{static_cast<double>(Whole(table, row, size, kMostSize)),
                                    table.Number(row, table.Column("model_time"), 1e-9, kMostTime),
                                    Whole(table, row, "num_layers", kMostLayers),
                                    Whole(table, row, "tp_size", kMostTp)};
    CheckNew(table, row, times, time, [](const auto& a, const auto& b) { return a.size == b.size && a.tp == b.tp; });
    times.push_back(time);
  }
  return times;
}

std::vector<ReleaseProfile::Memory> ReadMemory(const std::string& path, bool has_length) {
  const CsvTable table = ReadCsv(path);
  std::vector<ReleaseProfile::Memory> rows;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const auto gib = [&](const char* column) { return table.Number(row, table.Column(column), 0, kMostGib); };
    const ReleaseProfile::Memory memory{static_cast<double>(Whole(table, row, "batch_size", kMostSize)),
                                        has_length ? static_cast<double>(Whole(table, row, "seq_len", kMostSize)) : 0,
                                        Whole(table, row, "num_layers", kMostLayers),
                                        Whole(table, row, "tp_size", kMostTp),
                                        gib("model_mem"),
                                        gib("fwd_peak"),
                                        gib("model_state_peak")};
    CheckNew(table, row, rows, memory,
             [](const auto& a, const auto& b) { return a.layers == b.layers && a.tp == b.tp; });
    rows.push_back(memory);
  }
  return rows;
}

template <typename Row>
int RowsOf(const std::vector<Row>& rows, int tp) {
  return static_cast<int>(std::count_if(rows.begin(), rows.end(), [tp](const Row& row) { return row.tp == tp; }));
}

/// Two points make a line; what it divides by must not be zero.
template <typename Row>
void WantTwo(const std::string& path, const std::vector<Row>& rows, int tp, const char* what) {
  if (RowsOf(rows, tp) >= 2) return;
  throw InputError(path, "",
                   "has " + std::to_string(RowsOf(rows, tp)) + " rows for tp_size " + std::to_string(tp) +
                       ", its optimizer wants two " + what + " at least");
}

void WantRows(const std::string& path, const std::vector<ReleaseProfile::Time>& rows) {
  if (rows.empty()) throw InputError(path, "", "has no rows");
}

void CheckEncoder(const Paths& paths, const ReleaseProfile& profile) {
  WantRows(paths.encoder, profile.encoder);
  for (const ReleaseProfile::Time& time : profile.encoder) {
    WantTwo(paths.encoder, profile.encoder, time.tp, "batch sizes");
    WantTwo(paths.encoder_memory, profile.encoder_memory, time.tp, "layer counts");
  }
}

void CheckLlm(const Paths& paths, const ReleaseProfile& profile) {
  WantRows(paths.llm, profile.llm);
  for (const ReleaseProfile::Time& whole : profile.llm) {
    WantTwo(paths.llm, profile.llm, whole.tp, "lengths");
    WantTwo(paths.llm_memory, profile.llm_memory, whole.tp, "layer counts");
    const auto partners = std::count_if(profile.llm.begin(), profile.llm.end(), [&](const auto& row) {
      return row.tp == whole.tp && row.PartnerIn(profile.llm_without_attention) != nullptr;
    });
    if (partners >= 2) continue;
    throw InputError(paths.llm_without_attention, "",
                     "shares fewer than two lengths for tp_size " + std::to_string(whole.tp) + " with " + paths.llm);
  }
}

void ReadSamples(const std::string& path, ReleaseProfile& profile) {
  const Json document = ReadJsonFile(path);
  const JsonReader json(document, path);
  json.AllowOnly({"image_batch", "llm_input_seq"});
  const JsonReader tiles = json.At("image_batch");
  const JsonReader tokens = json.At("llm_input_seq");
  for (const JsonReader& count : tiles.Elements()) profile.tiles.push_back(static_cast<int>(count.Int(0, 1'000'000)));
  for (const JsonReader& length : tokens.Elements()) {
    profile.llm_tokens.push_back(static_cast<int>(length.Int(1, 1'000'000'000)));
  }
  if (profile.tiles.empty()) tiles.Fail("is empty, at least one sample is wanted");
  if (std::all_of(profile.tiles.begin(), profile.tiles.end(), [](int count) { return count == 0; })) {
    tiles.Fail("has no tile at all: the encoder would have nothing to do");
  }
  if (profile.tiles.size() != profile.llm_tokens.size()) {
    tokens.Fail("has " + std::to_string(profile.llm_tokens.size()) + " samples where image_batch has " +
                std::to_string(profile.tiles.size()));
  }
}

std::string Count(double whole) { return Fixed(whole, 0); }

std::string TimesText(const std::vector<ReleaseProfile::Time>& times, const std::string& size) {
  std::string text = size + ",model_time,num_layers,tp_size\n";
  for (const ReleaseProfile::Time& time : times) {
    text += Count(time.size) + "," + ShortestNumber(time.time_ms) + "," + std::to_string(time.layers) + "," +
            std::to_string(time.tp) + "\n";
  }
  return text;
}

std::string MemoryText(const std::vector<ReleaseProfile::Memory>& rows, bool has_length) {
  std::string text = std::string("batch_size,") + (has_length ? "seq_len," : "") +
                     "model_mem,fwd_peak,model_state_peak,num_layers,tp_size\n";
  for (const ReleaseProfile::Memory& row : rows) {
    text += Count(row.batch) + "," + (has_length ? Count(row.length) + "," : "") + ShortestNumber(row.model_gib) + "," +
            ShortestNumber(row.forward_gib) + "," + ShortestNumber(row.state_gib) + "," + std::to_string(row.layers) +
            "," + std::to_string(row.tp) + "\n";
  }
  return text;
}

}  // namespace

const ReleaseProfile::Time* ReleaseProfile::Time::PartnerIn(const std::vector<Time>& times) const {
  const auto found = std::find_if(times.begin(), times.end(), [this](const Time& other) {
    return other.size == size && other.layers == layers && other.tp == tp;
  });
  return found == times.end() ? nullptr : &*found;
}

ReleaseProfile ReadReleaseProfile(const JsonReader& folder, const ReleaseNames& names) {
  const Paths paths = PathsIn(folder.String(), names);
  for (const std::string& path :
       {paths.encoder, paths.llm, paths.llm_without_attention, paths.encoder_memory, paths.llm_memory, paths.samples}) {
    if (std::filesystem::is_regular_file(path)) continue;
    folder.Fail("is " + JsonQuote(folder.String()) + ", but there is no file " + path);
  }
  ReleaseProfile profile{ReadTimes(paths.encoder, "batch_size"), ReadTimes(paths.llm, "seq_len"),
                         ReadTimes(paths.llm_without_attention, "seq_len"), ReadMemory(paths.encoder_memory, false),
                         ReadMemory(paths.llm_memory, true)};
  CheckEncoder(paths, profile);
  CheckLlm(paths, profile);
  ReadSamples(paths.samples, profile);
  return profile;
}

void WriteReleaseProfile(const std::string& folder, const ReleaseNames& names, const ReleaseProfile& profile) {
  const Paths paths = PathsIn(folder, names);
  WriteFile(paths.encoder, TimesText(profile.encoder, "batch_size"));
  WriteFile(paths.llm, TimesText(profile.llm, "seq_len"));
  WriteFile(paths.llm_without_attention, TimesText(profile.llm_without_attention, "seq_len"));
  WriteFile(paths.encoder_memory, MemoryText(profile.encoder_memory, false));
  WriteFile(paths.llm_memory, MemoryText(profile.llm_memory, true));
  Json samples;
  samples["image_batch"] = Json::ArrayOf(profile.tiles);
  samples["llm_input_seq"] = Json::ArrayOf(profile.llm_tokens);
  WriteJsonFile(paths.samples, samples);
}

}  // namespace dflop
