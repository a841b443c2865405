// Where a scenario's samples come from: a generator, a file, or records in place.
#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "traces/sample_generators.hpp"
#include "traces/sample_record.hpp"
#include "traces/samples.hpp"

namespace dflop {
namespace {

class RecordSource final : public SampleSource {
 public:
  explicit RecordSource(SampleSet set) : set_(std::move(set)) {}
  Sample Draw(RandomStream& random) const override { return set_.samples[random.Below(set_.samples.size())]; }
  std::string name() const override { return set_.name; }
  std::string identity() const override { return "records " + std::to_string(set_.samples.size()); }
  std::string description() const override {
    const std::string provisos = Provisos(set_);
    return set_.source + " (" + std::to_string(set_.samples.size()) + " records" +
           (provisos.empty() ? "" : "; " + provisos) + ")";
  }
  const SampleSet* records() const override { return &set_; }

 private:
  SampleSet set_;
};

/// A file's distribution under the file's own name and source.
class NamedSource final : public SampleSource {
 public:
  NamedSource(std::string name, const std::string& source, std::unique_ptr<SampleSource> inner)
      : name_(std::move(name)), description_(source + ": " + inner->description()), inner_(std::move(inner)) {}
  Sample Draw(RandomStream& random) const override { return inner_->Draw(random); }
  std::string name() const override { return name_; }
  std::string identity() const override { return inner_->identity(); }
  std::string description() const override { return description_; }

 private:
  std::string name_;
  std::string description_;
  std::unique_ptr<SampleSource> inner_;
};

void CheckFile(const JsonReader& json) {
  json.CheckSchema("dflop/samples/1", true);
  json.AllowOnly({"schema", "name", "source", "estimated_texts", "mismatched", "records", "distribution"});
  if (json.Has("records") == json.Has("distribution")) json.Fail("either \"records\" or \"distribution\" is wanted");
}

/// A samples file whose records were turned into samples one by one while it was read: as a tree they would take ten
/// times the memory. A record that is wrong is reported only when the rest of the file is what it should be.
class SamplesFile {
 public:
  explicit SamplesFile(const std::string& path)
      : document_(ParseJson(
            ReadFile(path), path,
            {"/records",
             [&](const Json& record, const std::string& pointer) { Take(JsonReader(record, path, pointer)); }})),
        json_(document_, path) {
    CheckFile(json_);
    if (wrong_) throw InputError(*wrong_);
    if (json_.Has("records") && samples_.empty()) ReadSampleRecords(json_.At("records"));  // to say what it is instead
  }
  SamplesFile(const SamplesFile&) = delete;
  SamplesFile& operator=(const SamplesFile&) = delete;

  const JsonReader& json() const { return json_; }
  SampleSet TakeRecords() {
    const auto size = static_cast<std::int64_t>(samples_.size());
    return {json_.At("name").String(), json_.At("source").String(), std::move(samples_),
            static_cast<int>(json_.IntOr("estimated_texts", 0, 0, size)),
            static_cast<int>(json_.IntOr("mismatched", 0, 0, size))};
  }

 private:
  void Take(const JsonReader& record) {
    if (wrong_) return;
    try {
      samples_.push_back(ReadSampleRecord(record));
    } catch (const InputError& error) {
      wrong_ = error;
    }
  }

  std::vector<Sample> samples_;  // filled while the document is read, so both stand before it
  std::optional<InputError> wrong_;
  Json document_;
  JsonReader json_;
};

std::unique_ptr<SampleSource> ReadSourceFile(const std::string& path) {
  SamplesFile file(path);
  const JsonReader& json = file.json();
  if (json.Has("records")) return std::make_unique<RecordSource>(file.TakeRecords());
  return std::make_unique<NamedSource>(json.At("name").String(), json.At("source").String(),
                                       ReadSampleGenerator(json.At("distribution")));
}

}  // namespace

std::string Provisos(const SampleSet& set) {
  std::string text;
  if (set.estimated_texts > 0) {
    text = "text tokens of " + std::to_string(set.estimated_texts) + " estimated by kinds of characters and words";
  }
  if (set.mismatched == 0) return text;
  return text + (text.empty() ? "" : "; ") + std::to_string(set.mismatched) +
         " taken although media, keys and placeholders disagree";
}

// One record a line: such a file can be read, compared and cut with line tools.
void WriteSamples(const std::string& path, const SampleSet& set) {
  std::string text = "{\n \"schema\": \"dflop/samples/1\",\n \"name\": " + JsonQuote(set.name) +
                     ",\n \"source\": " + JsonQuote(set.source);
  if (set.estimated_texts > 0) text += ",\n \"estimated_texts\": " + std::to_string(set.estimated_texts);
  if (set.mismatched > 0) text += ",\n \"mismatched\": " + std::to_string(set.mismatched);
  text += ",\n \"records\": [";
  for (std::size_t i = 0; i < set.samples.size(); ++i) {
    text += (i == 0 ? "\n  " : ",\n  ") + ToJson(set.samples[i]).Dump();
  }
  WriteFile(path, text + "\n ]\n}\n");
}

std::unique_ptr<SampleSource> ReadSampleSource(const JsonReader& json) {
  if (json.IsString() || json.Find("name")) return ReadSampleGenerator(json);
  if (const auto file = json.Find("file")) {
    json.AllowOnly({"file"});
    const std::filesystem::path path = std::filesystem::path(json.file()).parent_path() / file->String();
    if (!std::ifstream(path)) file->Fail("cannot be read: " + path.string());
    return ReadSourceFile(path.string());
  }
  if (!json.Has("records")) json.Fail("a generator's \"name\", a \"file\" or \"records\" is wanted");
  json.AllowOnly({"records"});
  return std::make_unique<RecordSource>(
      SampleSet{"records", "given in the experiment", ReadSampleRecords(json.At("records"))});
}

}  // namespace dflop
