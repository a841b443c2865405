// The keys data_loading and training on the command line: what they add to a result, what they leave alone, and every
// mistake at its place.
#include <cmath>
#include <initializer_list>

#include "tests/experiments/command_line.hpp"

namespace dflop {
namespace {

constexpr const char* kLoading =
    R"({"images_per_s_per_core": 100, "video_frames_per_s_per_core": 100, "cores_per_gpu": 1})";
constexpr const char* kTraining =
    R"({"samples": 80000, "price_per_gpu_hour": 3, "checkpoint": {"every_steps": 100, "write_s": 1},
        "failures": {"per_gpu_hour": 0.5, "restart_s": 20}})";

class WholeRun : public CommandLine {
 protected:
  Outcome RunWith(const std::string& key, const std::string& value, const std::string& out = "r") {
    Write(Edited("/scenarios/0/" + key, value));
    return Dflop("run e.json --no-report --trace none --out " + out);
  }
  /// Of the run of the first policy with a seed, counted from 0.
  Json MetricsOf(const std::string& name, std::size_t seed = 0) {
    return *Result(name).find("runs")->as<Json::Array>()[seed].find("metrics");
  }
};

double At(const Json& json, std::initializer_list<const char*> keys) {
  const Json* value = &json;
  for (const char* key : keys) {
    value = value->find(key);
    if (value == nullptr) ADD_FAILURE() << "no " << key;
    if (value == nullptr) return -1;
  }
  return value->number();
}

TEST_F(WholeRun, OtherFiguresAreAsTheyAreWithoutTheKeys) {
  Write(SmallExperiment());
  ASSERT_EQ(Dflop("run e.json --no-report --trace none --out without").code, 0);
  Json experiment = Edited("/scenarios/0/data_loading", kLoading);
  ASSERT_TRUE(WriteAt(experiment, "/scenarios/0/training", ParseJson(kTraining, "training")));
  Write(experiment);
  ASSERT_EQ(Dflop("run e.json --no-report --trace none --out with").code, 0);
  const Json without = Result("without");
  const Json with = Result("with");
  const Json::Array& before = without.find("runs")->as<Json::Array>();
  for (std::size_t run = 0; run < before.size(); ++run) {
    const Json& after = with.find("runs")->as<Json::Array>()[run];
    EXPECT_EQ(*before[run].find("timeline_hash"), *after.find("timeline_hash"));
    EXPECT_EQ(*before[run].find("decision_hash"), *after.find("decision_hash"));
    for (const Json::Member& metric : before[run].find("metrics")->as<Json::Object>()) {
      if (metric.key.starts_with("planning")) continue;  // wall clock
      EXPECT_EQ(metric.value, *after.find("metrics")->find(metric.key)) << metric.key;
    }
    EXPECT_EQ(before[run].find("metrics")->find("training"), nullptr);
    EXPECT_EQ(before[run].find("metrics")->find("data_loading_s"), nullptr);
    EXPECT_NE(after.find("metrics")->find("training"), nullptr);
  }
  const std::string table = ReadFile(folder_ / "without/table.csv");
  EXPECT_EQ(table.find("training_hours"), std::string::npos);
  EXPECT_EQ(table.find("data_loading"), std::string::npos);
  EXPECT_NE(ReadFile(folder_ / "with/table.csv").find("training_gpu_hours_p95"), std::string::npos);
}

TEST_F(WholeRun, LoadingIsWorkOverAllCoresAndBinds) {
  // Every record holds an image or less, or 8 frames; 8 GPUs with a core each. With 0.01 images and frames per second
  // and core, a batch of 8 samples takes at most 8·8/(8·0.01) = 800 s and at least, when all are text, nothing.
  const Outcome run = RunWith(
      "data_loading", R"({"images_per_s_per_core": 0.01, "video_frames_per_s_per_core": 0.01, "cores_per_gpu": 1})");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("data loading binds (plain): "), std::string::npos) << run.out;
  EXPECT_NE(run.out.find(" cores per GPU would hide it\n"), std::string::npos) << run.out;
  const Json metrics = MetricsOf("r");
  const double loads = At(metrics, {"data_loading_s"});
  const double step = At(metrics, {"iteration_time_s", "mean"});
  EXPECT_GT(loads, 0);
  EXPECT_LE(loads, 800);
  // The loader never rests, so a long run is as fast as it is: a step and its wait take what a batch takes to load.
  EXPECT_NEAR(At(metrics, {"data_loading_exposed_s"}) + step, loads, 1e-9 * loads);
  // Without prefetch all of it is waited for, and no core helps.
  const Outcome none = RunWith(
      "data_loading",
      R"({"images_per_s_per_core": 1, "video_frames_per_s_per_core": 1, "cores_per_gpu": 100, "prefetch_steps": 0})");
  EXPECT_NE(none.out.find("no number of cores hides it"), std::string::npos) << none.out;
  EXPECT_NEAR(At(MetricsOf("r"), {"data_loading_exposed_s"}), loads / 100 / 100, 1e-12);
  EXPECT_NEAR(At(MetricsOf("r"), {"data_loading_s"}), loads / 100 / 100, 1e-12);
}

TEST_F(WholeRun, LoadingThatIsHiddenSaysSo) {
  const Outcome run = RunWith("data_loading", R"({"images_per_s_per_core": 1e6, "cores_per_gpu": 8})");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("data loading is hidden (plain, split): at most "), std::string::npos) << run.out;
  EXPECT_EQ(At(MetricsOf("r"), {"data_loading_exposed_s"}), 0);
}

TEST_F(WholeRun, ATrainingWithoutFailuresIsItsStepsAndWrites) {
  // 804 samples are 101 steps of 8; with a checkpoint every 25 there are 5 writes of 7 s. 8 GPUs at 3 an hour.
  const Outcome run = RunWith("training", R"({"samples": 804, "price_per_gpu_hour": 3,
                                              "checkpoint": {"every_steps": 25, "write_s": 7}})");
  ASSERT_EQ(run.code, 0) << run.err;
  const Json metrics = MetricsOf("r");
  const double hours = (101 * At(metrics, {"iteration_time_s", "mean"}) + 35) / 3600;
  EXPECT_EQ(At(metrics, {"training", "steps"}), 101);
  for (const char* part : {"mean", "p5", "p50", "p95"}) {
    EXPECT_NEAR(At(metrics, {"training", "hours", part}), hours, 1e-12 * hours);
    EXPECT_NEAR(At(metrics, {"training", "gpu_hours", part}), 8 * hours, 1e-11 * hours);
    EXPECT_NEAR(At(metrics, {"training", "cost", part}), 24 * hours, 1e-11 * hours);
  }
  EXPECT_EQ(At(metrics, {"training", "failures", "mean"}), 0);
  EXPECT_NEAR(At(metrics, {"training", "lost_fraction"}), 35 / 3600.0 / hours, 1e-9);
}

TEST_F(WholeRun, TokensAreCountedByTheMeanStep) {
  ASSERT_EQ(RunWith("training", R"({"tokens": 1e9})").code, 0);
  const Json metrics = MetricsOf("r");
  const double per_step = At(metrics, {"tokens_per_s"}) * At(metrics, {"iteration_time_s", "mean"});
  EXPECT_EQ(At(metrics, {"training", "steps"}), std::ceil(1e9 / per_step));
  EXPECT_EQ(metrics.find("training")->find("cost"), nullptr);
}

TEST_F(WholeRun, FailuresSpreadItBySeedAndTheSameEveryTime) {
  const Outcome run = RunWith("training", kTraining);
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("the whole training"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("; training: steps wait for the writes of checkpoints"), std::string::npos) << run.out;
  ASSERT_EQ(RunWith("training", kTraining, "again").code, 0);
  EXPECT_EQ(*MetricsOf("r").find("training"), *MetricsOf("again").find("training"));
  EXPECT_NE(*MetricsOf("r").find("training"), *MetricsOf("r", 1).find("training"));
  const Json metrics = MetricsOf("r");
  const double p5 = At(metrics, {"training", "hours", "p5"});
  const double p50 = At(metrics, {"training", "hours", "p50"});
  const double p95 = At(metrics, {"training", "hours", "p95"});
  EXPECT_LT(p5, p50);
  EXPECT_LT(p50, p95);
  // 4 failures an hour on 8 GPUs, for as long as it lasts; Young: √(2·1 s·900 s) = 42.4 s.
  const double hours = At(metrics, {"training", "hours", "mean"});
  EXPECT_NEAR(At(metrics, {"training", "failures", "mean"}), 4 * hours, 1e-9);
  EXPECT_NEAR(At(metrics, {"training", "best_checkpoint_every_s"}), 42.4264, 1e-4);
  const double step = At(metrics, {"iteration_time_s", "mean"});
  EXPECT_NEAR(At(metrics, {"training", "lost_fraction"}), 1 - 10'000 * step / 3600 / hours, 1e-9);
  // Daly's mean of 100 segments of 100 steps.
  const double segment = (100 * step + 1) / 900;
  EXPECT_NEAR(hours * 3600, 100 * 900 * std::exp(20 / 900.0) * std::expm1(segment), 1e-9 * hours * 3600);
}

TEST_F(WholeRun, ACheckpointHoldsWeightsAndOptimizerOfOneCopy) {
  // TP 1: a device's weights and optimizer state are those of its stage. Divided over 4 replicas, the optimizer's are a
  // quarter; what is written stays the same.
  for (const bool divided : {false, true}) {
    Json experiment =
        Edited("/scenarios/0/training", R"({"samples": 8, "checkpoint": {"every_s": 60, "bytes_per_s": 1e6}})");
    ASSERT_TRUE(WriteAt(experiment, "/policies/0/layout/uniform",
                        ParseJson(R"({"tp": 1, "pp": 2, "dp": 4, "encoder_stages": 1})", "uniform")));
    if (divided) {
      ASSERT_TRUE(WriteAt(experiment, "/scenarios/0/software", ParseJson(R"({"sharding": "zero1"})", "software")));
    }
    Write(experiment);
    const Outcome run = Dflop("run e.json --no-report --trace none --out r");
    ASSERT_EQ(run.code, 0) << run.err;
    const Json metrics = MetricsOf("r");
    double bytes = 0;
    for (const Json& stage : metrics.find("memory_by_stage")->as<Json::Array>()) {
      bytes += At(stage, {"weights_bytes"}) + (divided ? 4 : 1) * At(stage, {"optimizer_bytes"});
    }
    EXPECT_GT(bytes, 1e9);
    EXPECT_NEAR(At(metrics, {"training", "checkpoint_write_s"}) * 1e6 / bytes, 1, 1e-12);
  }
}

TEST_F(WholeRun, TheWaitForDataIsPartOfEveryStep) {
  Json experiment = Edited("/scenarios/0/training", R"({"samples": 8000})");
  ASSERT_TRUE(
      WriteAt(experiment, "/scenarios/0/data_loading",
              ParseJson(R"({"images_per_s_per_core": 1e-2, "cores_per_gpu": 1, "prefetch_steps": 0})", "loading")));
  Write(experiment);
  ASSERT_EQ(Dflop("run e.json --no-report --trace none --out r").code, 0);
  const Json metrics = MetricsOf("r");
  const double step = At(metrics, {"iteration_time_s", "mean"}) + At(metrics, {"data_loading_s"});
  EXPECT_NEAR(At(metrics, {"training", "hours", "mean"}), 1000 * step / 3600, 1e-9 * step);
}

TEST_F(WholeRun, TheReportHasItsTable) {
  Json experiment = Edited("/scenarios/0/training", kTraining);
  ASSERT_TRUE(WriteAt(experiment, "/scenarios/0/data_loading",
                      ParseJson(R"({"images_per_s_per_core": 0.01, "cores_per_gpu": 1})", "loading")));
  Write(experiment);
  ASSERT_EQ(Dflop("run e.json --trace none --out r").code, 0);
  const std::string page = ReadFile(folder_ / "r/report.html");
  EXPECT_NE(page.find("<h3>The whole training</h3>"), std::string::npos);
  EXPECT_NE(page.find("data loading binds (plain): "), std::string::npos);
  Write(SmallExperiment());
  ASSERT_EQ(Dflop("run e.json --trace none --out r").code, 0);
  EXPECT_EQ(ReadFile(folder_ / "r/report.html").find("The whole training"), std::string::npos);
}

TEST_F(WholeRun, WhatHasNoEffectIsReported) {
  const auto warnings = [&](const std::string& key, const std::string& value) {
    const Outcome run = RunWith(key, value);
    EXPECT_EQ(run.code, 0) << run.err;
    return WithoutCostWarning(run.err);
  };
  EXPECT_EQ(warnings("data_loading", R"({"images_per_s_per_core": 1e6, "cores_per_gpu": 8})"), "");
  EXPECT_EQ(warnings("data_loading",
                     R"({"audio_s_per_s_per_core": 1, "text_tokens_per_s_per_core": 1e9, "cores_per_gpu": 8})"),
            "warning: e.json:/scenarios/0/data_loading/audio_s_per_s_per_core: has no effect: none of 32 samples holds "
            "audio\n");
  EXPECT_EQ(warnings("training", R"({"samples": 1e3, "failures": {"per_gpu_hour": 0, "restart_s": 1}})"),
            "warning: e.json:/scenarios/0/training/failures: has no effect: per_gpu_hour is 0\n");
  EXPECT_EQ(warnings("training", R"({"samples": 1e3, "failures": {"per_gpu_hour": 0.1, "restart_s": 1}})"),
            "warning: e.json:/scenarios/0/training/failures: without a checkpoint every failure loses the whole run\n");
  EXPECT_EQ(
      warnings("training", R"({"samples": 1e3, "price_per_gpu_hour": 2, "checkpoint": {"every_s": 1, "write_s": 1}})"),
      "");
  EXPECT_EQ(warnings("training", R"({"samples": 80, "checkpoint": {"every_steps": 10, "write_s": 1}})"),
            "warning: e.json:/scenarios/0/training/checkpoint: is written at the end alone: the training is over "
            "before\n");
}

TEST_F(WholeRun, CheckpointsThatAreNeverReachedAreRefused) {
  const auto refused = [&](const std::string& training) {
    const Outcome run = RunWith("training", training, "refused");
    EXPECT_EQ(run.code, 2) << run.out;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "refused"));
    return run.err;
  };
  const std::string alone = refused(R"({"samples": 1e9, "failures": {"per_gpu_hour": 1, "restart_s": 60}})");
  EXPECT_NE(
      alone.find("e.json:/scenarios/0/training/failures/per_gpu_hour: lets 8 GPUs fail every 450 s, but without a "
                 "checkpoint a failure loses the whole run"),
      std::string::npos)
      << alone;
  // 450 s between failures and 5,000 s to write one: e^{11.1 + 0.1}, 76,000 attempts.
  const std::string slow = refused(
      R"({"samples": 1e9, "checkpoint": {"every_steps": 1, "write_s": 5000}, "failures": {"per_gpu_hour": 1, "restart_s": 60}})");
  EXPECT_NE(slow.find("from one checkpoint to the next it takes 5e+03 s"), std::string::npos) << slow;
  EXPECT_NE(slow.find("times on average; allowed are 1e+03: a rate of up to 0.6"), std::string::npos) << slow;
  const std::string long_run = refused(R"({"samples": 1e15})");
  EXPECT_NE(long_run.find("e.json:/scenarios/0/training/samples: makes a training of "), std::string::npos) << long_run;
}

struct WholeRunMistake {
  const char* key;
  const char* value;
  const char* pointer;  ///< below the scenario
  const char* says;
};

constexpr WholeRunMistake kWholeRunMistakes[] = {
    {"data_loading", R"({"images_per_s_per_core": 0, "cores_per_gpu": 1})", "/data_loading/images_per_s_per_core",
     "allowed is from 1e-06"},
    {"data_loading", R"({"images_per_s_per_core": 10})", "/data_loading", "cores_per_gpu"},
    {"data_loading", R"({"cores_per_gpu": 10})", "/data_loading", "has no rate"},
    {"data_loading", R"({"images_per_s_per_core": 10, "cores_per_gpu": 1, "prefetch_steps": 1001})",
     "/data_loading/prefetch_steps", "from 0 to 1000"},
    {"data_loading", R"({"image_per_s_per_core": 10, "cores_per_gpu": 1})", "/data_loading",
     "did you mean \"images_per_s_per_core\""},
    {"training", R"({"samples": 10, "tokens": 10})", "/training/tokens", "stands beside samples"},
    {"training", R"({})", "/training", "wants samples or tokens"},
    {"training", R"({"samples": 1e16})", "/training/samples", "allowed is from 1 to 1e+15"},
    {"training", R"({"samples": 10, "price_per_gpu_hour": -1})", "/training/price_per_gpu_hour", "from 0 to 10000"},
    {"training", R"({"samples": 10, "checkpoint": {"every_s": 1, "every_steps": 1, "write_s": 1}})",
     "/training/checkpoint/every_steps", "stands beside every_s"},
    {"training", R"({"samples": 10, "checkpoint": {"every_steps": 1.5, "write_s": 1}})",
     "/training/checkpoint/every_steps", "a whole number"},
    {"training", R"({"samples": 10, "checkpoint": {"every_s": 1}})", "/training/checkpoint",
     "wants write_s or bytes_per_s"},
    {"training", R"({"samples": 10, "failures": {"per_gpu_hour": 2, "restart_s": 1}})",
     "/training/failures/per_gpu_hour", "from 0 to 1"},
    {"training", R"({"samples": 10, "failures": {"per_gpu_hour": 1e-13, "restart_s": 1}})",
     "/training/failures/per_gpu_hour", "from 1e-12 to 1"},
    {"training", R"({"samples": 10, "failures": {"per_gpu_hour": 0.1}})", "/training/failures", "restart_s"},
};

TEST_F(WholeRun, EveryMistakeIsReportedAtItsPlace) {
  for (const WholeRunMistake& mistake : kWholeRunMistakes) {
    const Outcome run = RunWith(mistake.key, mistake.value, "bad");
    EXPECT_EQ(run.code, 2) << mistake.value;
    EXPECT_NE(run.err.find("e.json:/scenarios/0" + std::string(mistake.pointer)), std::string::npos) << run.err;
    EXPECT_NE(run.err.find(mistake.says), std::string::npos) << run.err;
  }
}

TEST_F(WholeRun, SamplesOfTilesDoNotSayWhatIsLoaded) {
  Json experiment = Edited("/scenarios/0/data_loading", kLoading);
  ASSERT_TRUE(WriteAt(experiment, "/scenarios/0/samples",
                      ParseJson(R"({"records": [{"tiles": 2, "llm_tokens": 500}]})", "samples")));
  Write(experiment);
  const Outcome run = Dflop("run e.json --out r");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("e.json:/scenarios/0/data_loading: has no effect on samples of tiles"), std::string::npos)
      << run.err;
}

}  // namespace
}  // namespace dflop
