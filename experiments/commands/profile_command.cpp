// `dflop profile`: what the planners decide from, as files and figures.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>

#include "base/file.hpp"
#include "base/progress.hpp"
#include "base/terminal.hpp"
#include "base/text.hpp"
#include "experiments/commands/commands.hpp"
#include "experiments/profile/data_profile.hpp"
#include "experiments/profile/sample_histogram.hpp"
#include "experiments/profile/sample_size.hpp"
#include "experiments/report/chart_histogram.hpp"
#include "experiments/report/chart_throughput.hpp"
#include "experiments/report/report.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/run/planning.hpp"
#include "experiments/spec/selection.hpp"
#include "models/model_profile.hpp"
#include "models/release_measurement.hpp"
#include "models/release_names.hpp"

namespace dflop {
namespace {

struct ProfileArguments {
  std::string experiment;
  std::optional<std::string> scenario;
  std::optional<std::string> policy;
  int samples = 10'000;  // as many as DFLOP's data profiler looks at
  int resamples = 0;
  bool released = false;
  bool tp1_without_recompute = false;
  std::string folder;  ///< the positional
  std::string out;
};

void WriteFigure(const std::string& folder, const std::string& name, const Svg& svg) {
  WriteFile(folder + "/figures/" + name + ".svg", svg.Standalone(FigureStyle()));
}

void WriteModelProfile(const std::string& folder, const ModelProfile& profile) {
  WriteJsonFile(folder + "/model-profile.json", ToJson(profile));
  for (const ModuleProfile& module : profile.modules) {
    for (const ProfiledPart part : PartsOf(module)) {
      const std::string name = module.name + (!module.is_llm                  ? ""
                                              : part == ProfiledPart::kLinear ? "-linear"
                                                                              : "-attention");
      WriteFigure(folder, name + "-throughput", ThroughputChart(module, part, false));
      WriteFigure(folder, name + "-degradation", ThroughputChart(module, part, true));
    }
  }
}

void WriteDataProfile(const std::string& folder, const DataProfile& profile) {
  WriteJsonFile(folder + "/data-profile.json", ToJson(profile));
  for (const SampleQuantity& quantity : profile.quantities) {
    WriteFigure(folder, quantity.slug, HistogramChart(quantity));
  }
}

std::string StudyText(const SampleSizeStudy& study, std::size_t pool) {
  std::string text = Format("%8s %10s %8s %8s %8s %8s %12s %12s\n", "samples", "resamples", "layouts", "same %",
                            "good %", "unfit %", "mean regret", "p95 regret");
  for (const SampleSizeRow& row : study.rows) {
    text += Format("%8d %10d %8d %8.0f %8.0f %8.0f %10.2f %% %10.2f %%\n", row.samples, row.resamples, row.layouts,
                   100 * row.same, 100 * row.good, 100 * row.unfit, 100 * row.mean_regret, 100 * row.high_regret);
  }
  constexpr std::size_t kShown = 8;
  text += Format("\n%8s %12s  layout\n", "chosen", "regret");
  for (std::size_t i = 0; i < std::min(kShown, study.layouts.size()); ++i) {
    const ChosenLayout& layout = study.layouts[i];
    const std::string regret = layout.regret ? Format("%.2f %%", 100 * *layout.regret) : "does not fit";
    text += Format("%8d %12s  %s\n", layout.times, regret.c_str(), layout.name.c_str());
  }
  text += "\nfrom all " + std::to_string(pool) + ": " + study.chosen + "\n";
  const std::string rule = Format(
      "(from there on at least %.0f %% of the resamples choose a layout that fits and is at "
      "most %.0f %% slower)\n",
      100 * kEnoughShare, 100 * kEnoughRegret);
  return text + (study.Enough() > 0 ? "enough samples: " + std::to_string(study.Enough()) + " " : "none is enough ") +
         rule;
}

std::string Study(int resamples, const Scenario& scenario, const PolicySpec& policy,
                  const std::vector<SampleShape>& pool) {
  std::vector<int> sizes;
  for (const int size : {64, 128, 256, 512, 1024, 2048, 4096, 10'000}) {
    if (size <= static_cast<int>(pool.size())) sizes.push_back(size);
  }
  Progress progress("resamples", sizes.size() * static_cast<std::size_t>(resamples), false);
  const SampleSizeStudy study = OrExplain(policy, "/layout", [&] {
    return StudySampleSize(scenario, policy, pool, sizes, resamples, [&] { progress.Advance(); });
  });
  return StudyText(study, pool.size());
}

/// What the optimizer of DFLOP's release reads, as its profiler would have measured it here; the samples are the
/// planning sample of the first seed, so that the same plan comes out of the files as without them.
void WriteForRelease(const Experiment& experiment, const Scenario& scenario, const ProfileArguments& arguments) {
  if (scenario.model.encoders.size() != 1) {
    throw InputError(scenario.file, scenario.pointer + "/model",
                     "has " + std::to_string(scenario.model.encoders.size()) +
                         " encoders, the released optimizer knows models with one");
  }
  RandomStream random = PlanningStream(scenario, experiment.seeds.front());
  const std::vector<SampleShape> samples = scenario.DrawShapes(random, scenario.planning_samples);
  const ReleaseNames names = ReleaseNamesOf(scenario.model);
  WriteReleaseProfile(arguments.out, names,
                      MeasureAsReleased(scenario.MakeCostModel(), samples, arguments.tp1_without_recompute));
  PrintWrapped(Format("%s, seed %lld: %d GPUs of %.1f GiB, global batch %d\n", scenario.name.c_str(),
                      static_cast<long long>(experiment.seeds.front()), scenario.cluster.gpus(),
                      scenario.cluster.smallest_memory().value() / kGibibyte, scenario.global_batch_size));
  PrintWrapped(Format("profile: %s/thr_%s_*.csv, mem_%s_*.csv, samples.json (its %s_%s_%s.pkl) of %s and %s\n",
                      arguments.out.c_str(), names.mllm.c_str(), names.mllm.c_str(), names.mllm.c_str(),
                      names.encoder.substr(0, names.encoder.rfind('_')).c_str(),
                      names.llm.substr(0, names.llm.rfind('_')).c_str(), names.encoder.c_str(), names.llm.c_str()));
}

void ProfileCommand(ProfileArguments arguments) {
  if (arguments.folder.empty() == arguments.out.empty()) {
    throw InputError("profile: one folder is wanted, as DIR or behind --out");
  }
  if (arguments.out.empty()) arguments.out = arguments.folder;
  const Experiment experiment = ReadExperiment(arguments.experiment);
  const Scenario& scenario = ChooseScenario(experiment, arguments.scenario);
  if (arguments.released) return WriteForRelease(experiment, scenario, arguments);
  const PolicySpec& policy = ChoosePolicy(scenario, arguments.policy);
  RandomStream random = scenario.Stream(0, "data profile");
  const std::vector<SampleShape> pool = scenario.DrawShapes(random, arguments.samples);
  const std::int64_t seed = experiment.seeds.front();
  const PlannedJob job = OrExplain(policy, "/layout", [&] { return PlanJob(scenario, policy, seed); });
  const std::string study = arguments.resamples > 0 ? Study(arguments.resamples, scenario, policy, pool) : "";
  const DataProfile data = ProfileData(job.cost, job.decision.layout, pool, scenario.samples->description());
  WriteModelProfile(arguments.out, ProfileModel(job.cost));
  WriteDataProfile(arguments.out, data);
  const std::string title = scenario.name + ", policy " + policy.name;
  if (!study.empty()) WriteFile(arguments.out + "/sample-size.txt", title + "\n" + study);
  PrintWrapped(title + ": " + data.layout + "\n\n" + DescribeShapes(pool) + "\n" + DrawJointHistogram(pool) + "\n" +
               study + (study.empty() ? "" : "\n") + "profile: " + arguments.out +
               "/model-profile.json, data-profile.json, figures/*.svg\n");
}

}  // namespace

void AddProfileCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("profile", "throughput and memory curves of a scenario's model, and its data");
  const auto arguments = std::make_shared<ProfileArguments>();
  command->add_option("experiment", arguments->experiment, "the experiment file")
      ->required()
      ->type_name("EXPERIMENT.json");
  command->add_option("--scenario", arguments->scenario, "by default the first; of a sweep the first point is taken");
  command->add_option("--policy", arguments->policy,
                      "whose layout the seconds per sample are of; by default the scenario's first");
  command->add_option("--samples", arguments->samples, "how many samples the data profile draws")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  command
      ->add_option("--resamples", arguments->resamples,
                   "plans from so many resamples of every size from 64 up and tells how many samples are enough")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  command->add_option("folder", arguments->folder, "the same as --out")->type_name("DIR");
  command->add_option("--out", arguments->out, "folder for model-profile.json, data-profile.json and figures")
      ->type_name("DIR");
  CLI::Option* format =
      command
          ->add_option_function<std::string>(
              "--format", [arguments](const std::string& name) { arguments->released = name == "dflop-release"; },
              "dflop: JSON and figures; dflop-release: the files that the optimizer of DFLOP's release reads, "
              "thr_M_ENCODER_SIZE.csv, thr_M_LLM_SIZE.csv, thr_M_LLM_SIZE_skip_attn.csv, mem_M_ENCODER_SIZE.csv, "
              "mem_M_LLM_SIZE.csv, and samples.json, its pickle as JSON")
          ->check(CLI::IsMember({"dflop", "dflop-release"}))
          ->default_str("dflop");
  command
      ->add_flag("--tp1-without-recompute", arguments->tp1_without_recompute,
                 "dflop-release: as its profiler measures, no recompute with TP 1 and full recompute otherwise")
      ->needs(format);
  command->footer(
      "In names of DFLOP's release M is llavaov or internvl (whose tiling the model has), and our siglip-2.4b is\n"
      "siglip_6b, siglip-so400m siglip_400m, internvit-3.7b internvit_6b; a model that it does not know is NAME_own.\n"
      "Plan from the files with the layout {\"name\": \"dflop-as-released\", \"profile\": DIR}.\n"
      "Example: dflop profile experiments/quickstart.json --policy dflop --out /tmp/profile\n"
      "Example: dflop profile experiments/quickstart.json --format dflop-release /tmp/release");
  command->callback([arguments] { ProfileCommand(*arguments); });
}

}  // namespace dflop
