// Sample sets on disk: the format dflop/samples/1, its importers, its generators.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json_reader.hpp"
#include "base/random.hpp"
#include "traces/sample.hpp"

namespace dflop {

/// Where a scenario's samples come from. Reads either records ({"records": […]}, {"file": …}) or a named generator with
/// its parameters ({"name": "dflop-mix", …} or just "dflop-mix").
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  /// One example; records are drawn with replacement.
  virtual Sample Draw(RandomStream& random) const = 0;
  virtual std::string name() const = 0;
  /// What it draws from: the generator with every parameter's value, or how many records there are to choose from; no
  /// name that somebody gave a file or set. It keys the random streams. What a record holds does not count, so that a
  /// set with one record changed is drawn from in the same order, and two results differ by that record alone.
  virtual std::string identity() const = 0;
  /// Source and assumptions, one line; printed with every result.
  virtual std::string description() const = 0;
  /// All of them when there is a finite list, nullptr for a distribution.
  virtual const SampleSet* records() const { return nullptr; }
};

/// {"file": …} is relative to the folder of the file that names it.
std::unique_ptr<SampleSource> ReadSampleSource(const JsonReader& json);

struct GeneratorInfo {
  std::string name;
  std::string description;
  std::vector<std::pair<std::string, double>> parameters;  ///< name, default
};
const std::vector<GeneratorInfo>& SampleGenerators();

/// dflop/samples/1: {"schema", "name", "source", "estimated_texts", "mismatched" (Provisos), "records": […]}, or
/// "distribution" (a generator) in the place of the records; the keys of a record and their ranges are in
/// traces/sample_record.hpp.
void WriteSamples(const std::string& path, const SampleSet& set);

// Importers (`dflop samples import`).
/// Conversations with media in the dialects of LLaVA, InternVL and chat messages (traces/conversation_record.hpp), in
/// any of the containers of base/json_sequence. A record that says one thing in its media and another in its text is an
/// error, unless `lenient`: then it is taken as its media say, and counted.
SampleSet ImportLlava(const std::vector<std::string>& paths, bool lenient = false);
/// CSV with a header: tiles and tokens columns, or widths, heights, frames, durations and words (see the .cpp).
SampleSet ImportCsv(const std::vector<std::string>& paths);
/// ServeGen mm-image histograms, one JSON per client: text_tokens, image_tokens, image_count per time window.
SampleSet ImportServeGen(const std::vector<std::string>& paths, int count, std::uint64_t seed);

inline constexpr double kTokensPerWord = 1.35;  ///< where only words were counted: English, 1.3–1.4

}  // namespace dflop
