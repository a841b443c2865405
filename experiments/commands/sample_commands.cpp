// A name is a generator's or a file's: generators are drawn from, records of a file are taken as they are.
#include "experiments/commands/sample_commands.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/terminal.hpp"
#include "experiments/profile/sample_histogram.hpp"
#include "traces/samples.hpp"

namespace dflop {
namespace {

constexpr int kMaxCount = 10'000'000;
constexpr int kDefaultCount = 10'000;  // as many as DFLOP's data profiler looks at (arXiv 2603.25120, released code)
constexpr const char* kDefaultVisionModel = "llava-ov-siglip-2.4b-llama3-8b";
constexpr const char* kDefaultAudioModel = "qwen2-audio-7b";

struct Options {
  std::string from;
  std::vector<std::string> paths;
  std::string name;
  std::vector<std::string> parameters;
  std::string out;
  std::string model;
  bool lenient = false;
  int count = kDefaultCount;
  std::uint64_t seed = 1;
};

void Save(const std::string& path, const SampleSet& set) {
  WriteSamples(path, set);
  const std::string provisos = Provisos(set);
  PrintWrapped(path + ": " + std::to_string(set.samples.size()) + " samples, " + set.source +
               (provisos.empty() ? "" : "\n" + provisos) + "\n");
}

SampleSet Import(const Options& options) {
  if (options.from == "llava") return ImportLlava(options.paths, options.lenient);
  if (options.from == "csv") return ImportCsv(options.paths);
  return ImportServeGen(options.paths, options.count, options.seed);
}

/// {"name": NAME, KEY: VALUE, …} from the command line.
Json GeneratorObject(const Options& options) {
  Json object = Json::EmptyObject();
  object["name"] = options.name;
  for (const std::string& parameter : options.parameters) {
    const std::size_t equals = parameter.find('=');
    if (equals == std::string::npos) throw InputError("--set " + parameter + ": KEY=VALUE is wanted");
    const std::string key = parameter.substr(0, equals);
    if (object.find(key) != nullptr) throw InputError("--set " + parameter + ": " + JsonQuote(key) + " is given twice");
    object[key] = ParseJson(parameter.substr(equals + 1), "--set " + parameter);
  }
  return object;
}

SampleSet Draw(const SampleSource& source, int count, std::uint64_t seed) {
  SampleSet set{
      source.name(), source.description() + "; " + std::to_string(count) + " drawn, seed " + std::to_string(seed), {}};
  RandomStream random(seed, "samples/" + source.identity());
  for (int i = 0; i < count; ++i) set.samples.push_back(source.Draw(random));
  return set;
}

void Generate(const Options& options) {
  CheckFolderOf(options.out);
  const Json object = GeneratorObject(options);
  const auto source = ReadSampleSource(JsonReader(object, "samples generate"));
  Save(options.out, Draw(*source, options.count, options.seed));
}

std::vector<std::string> GeneratorNames() {
  std::vector<std::string> names;
  for (const GeneratorInfo& info : SampleGenerators()) names.push_back(info.name);
  return names;
}

bool IsGenerator(const std::string& name) {
  const std::vector<std::string> names = GeneratorNames();
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// A file's records as they are; of a distribution, `count` draws.
SampleSet Load(const Options& options) {
  Json reference;
  if (IsGenerator(options.name)) {
    reference = options.name;
  } else if (std::filesystem::exists(options.name)) {
    reference["file"] = options.name;
  } else {
    throw InputError("there is neither a file nor a sample generator " + JsonQuote(options.name) + "; nearest: " +
                     JoinNames(NearestNames(options.name, GeneratorNames())) + "; `dflop list samples` names all");
  }
  const auto source = ReadSampleSource(JsonReader(reference, ""));
  if (source->records() == nullptr) return Draw(*source, options.count, options.seed);
  SampleSet set = *source->records();
  set.source = source->description();
  return set;
}

ModelSpec ModelFor(const SampleSet& set, const std::string& name) {
  if (!name.empty()) return BuiltInModel(name);
  const bool audio = std::any_of(set.samples.begin(), set.samples.end(), [](const Sample& s) { return s.audio_s > 0; });
  return BuiltInModel(audio ? kDefaultAudioModel : kDefaultVisionModel);
}

/// " (tiling internvl)", of every encoder.
std::string TilingsInWords(const ModelSpec& model) {
  std::string names;
  for (const EncoderSpec& encoder : model.encoders) names += (names.empty() ? "" : ", ") + TilingName(encoder.tiling);
  return names.empty() ? "" : " (tiling " + names + ")";
}

void Inspect(const Options& options) {
  const SampleSet set = Load(options);
  const ModelSpec model = ModelFor(set, options.model);
  std::vector<SampleShape> shapes;
  shapes.reserve(set.samples.size());
  for (const Sample& sample : set.samples) shapes.push_back(ShapeOf(sample, model));
  PrintWrapped(set.name + ": " + std::to_string(set.samples.size()) + " samples, as " + model.name + " sees them" +
               TilingsInWords(model) + "\n" + set.source + "\n\n" + CountKinds(set.samples) + "\n" +
               DescribeShapes(shapes) + "\n" + DrawJointHistogram(shapes));
}

void AddDrawOptions(CLI::App& command, Options& options) {
  command.add_option("--count", options.count, "samples to draw")
      ->check(CLI::Range(1, kMaxCount))
      ->capture_default_str();
  command.add_option("--seed", options.seed, "of the random stream")->capture_default_str();
}

void AddImport(CLI::App& samples, const std::shared_ptr<Options>& options) {
  CLI::App* import = samples.add_subcommand("import", "Turn another format's samples into a dflop/samples/1 file");
  import
      ->add_option(
          "--from", options->from,
          "llava: conversations with media, JSON or JSON lines; csv: a table; servegen: histograms or their folder")
      ->required()
      ->check(CLI::IsMember({"llava", "csv", "servegen"}));
  import->add_option("paths", options->paths, "files to read")->required();
  import->add_option("--out", options->out, "file to write")->required();
  import->add_flag("--lenient", options->lenient,
                   "llava: count records whose media, keys and placeholders disagree, instead of refusing them");
  AddDrawOptions(*import, *options);
  import->footer(
      "--count and --seed matter for servegen only, whose histograms are drawn from.\n"
      "Example: dflop samples import --from llava llava_instruct.json --out my-samples.json");
  import->callback([options] {
    CheckFolderOf(options->out);  // before reading, which may take long
  Save(options->out, Import(*options));
});
}  // namespace

void AddGenerate(CLI::App& samples, const std::shared_ptr<Options>& options) {
  CLI::App* generate = samples.add_subcommand("generate", "Draw samples from a named distribution");
  generate->add_option("name", options->name, "the generator")->required();
  generate->add_option("--set", options->parameters, "KEY=VALUE: a parameter of the generator, any number of times");
  generate->add_option("--out", options->out, "file to write")->required();
  AddDrawOptions(*generate, *options);
  std::string footer = "Generators:\n";
  for (const GeneratorInfo& info : SampleGenerators()) footer += "  " + info.name + ": " + info.description + "\n";
  generate->footer(footer +
                   "Example: dflop samples generate dflop-mix --set video_share=120 --count 1000 --out mix.json");
  generate->callback([options] { Generate(*options); });
}

void AddInspect(CLI::App& samples, const std::shared_ptr<Options>& options) {
  CLI::App* inspect =
      samples.add_subcommand("inspect", "Show what a model makes of a sample set: tiles against LLM tokens");
  inspect->add_option("file", options->name, "a dflop/samples/1 file, or the name of a generator")->required();
  inspect->add_option("--model", options->model,
                      std::string("whose tiling rule; default ") + kDefaultVisionModel + ", or " + kDefaultAudioModel +
                          " when there is audio");
  AddDrawOptions(*inspect, *options);
  inspect->footer("Example: dflop samples inspect dflop-mix --model internvl-internvit-6b-qwen2.5-72b");
  inspect->callback([options] { Inspect(*options); });
}

}  // namespace dflop

void AddSampleCommands(CLI::App& app) {
  CLI::App* samples = app.add_subcommand("samples", "Sample shapes: import, generate, inspect");
  samples->require_subcommand(1);
  samples->footer("Example: dflop samples inspect dflop-mix");
  const auto options = std::make_shared<Options>();
  AddImport(*samples, options);
  AddGenerate(*samples, options);
  AddInspect(*samples, options);
}

}  // namespace dflop
