// The tables of results/planner/README.md, as Markdown on standard output:
//   planner_quality exhaustive   32 GPUs: every layout simulated, 14 jobs (minutes)
//   planner_quality uniform      the same jobs, with their batcher and at random: uniform-tuned against every
//   homogeneous
//                                and colocated layout
//   planner_quality regret       64 to 256 GPUs: against the same race with a budget of 10,000 batches
#include <cstdio>
#include <cstring>
#include <ctime>

#include "base/error.hpp"
#include "tests/policies/exhaustive_layouts.hpp"
#include "tests/policies/planner_jobs.hpp"

namespace dflop {
namespace {

/// Of processor time, so that other work on the machine says nothing.
template <typename Work>
double SecondsOf(Work work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

/// A bar would end the table's cell.
std::string InCell(std::string name) {
  std::replace(name.begin(), name.end(), '|', '+');
  return name;
}

constexpr const char* kSmall = "llava-ov-siglip-2.4b-llama3-8b";
constexpr const char* kLarge = "llava-ov-siglip-2.4b-qwen2.5-32b";

struct Row {
  const char* model;
  const char* cluster;
  const char* mix;
  const char* batcher;
  int batch;
};
constexpr const char* kA100 = "hgx-a100-800g";
constexpr const char* kH100 = "dgx-h100";
constexpr Row kRows[] = {{kSmall, kA100, "dflop-mix", "dflop", 64},
                         {kSmall, kA100, "video", "dflop", 64},
                         {kSmall, kA100, "multi-image", "dflop", 64},
                         {kSmall, kA100, "dflop-mix", "random", 64},
                         {kSmall, kA100, "dflop-mix", "lpt-2d", 128},
                         {kSmall, kH100, "dflop-mix", "dflop", 64},
                         {kLarge, kA100, "dflop-mix", "dflop", 64},
                         {kLarge, kA100, "video", "dflop", 64},
                         {kLarge, kH100, "dflop-mix", "lpt-2d", 64},
                         {kLarge, kH100, "single-image", "dflop", 64},
                         {"llava-ov-siglip-so400m-qwen2.5-7b", kA100, "dflop-mix", "lpt-2d", 64},
                         {"llava-ov-siglip-2.4b-qwen2.5-7b", kA100, "dflop-mix", "dflop", 64},
                         {"internvl-internvit-3.7b-qwen2.5-32b", kA100, "dflop-mix", "lpt-2d", 64},
                         {"qwen2-audio-7b", kA100, "audio", "lpt-2d", 64}};

void PrintHead() {
  std::printf("| model | cluster | mix | batcher | batch | layouts that fit | best of all s | ours s | regret %% | ");
  std::printf(
      "ours | best of all | search s | exhaustive s |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
}

/// `planner` on a row's job against the best of what `search` says.
template <typename Search>
void PrintRow(const Row& row, const char* batcher, const char* planner, Search search) {
  const PlannerJob job(row.model, row.cluster, 4, row.mix, row.batch, batcher);
  LayoutDecision ours;
  const double seconds = SecondsOf([&] { ours = job.Plan(planner); });
  ExhaustiveSearch::Best best;
  const PlanningProblem problem = job.problem();
  const double all = SecondsOf([&] {
    ExhaustiveSearch every(problem);
    best = search(every);
  });
  std::printf("| %s | %s | %s | %s | %d | %zu | %.5f | %.5f | %.3f | %s | %s | %.2f | %.0f |\n", row.model, row.cluster,
              row.mix, batcher, row.batch, best.layouts, best.seconds, ours.predicted.value(),
              100 * (ours.predicted.value() / best.seconds - 1), InCell(ours.layout.name).c_str(),
              InCell(best.name).c_str(), seconds, all);
  std::fflush(stdout);
}

void Exhaustive() {
  PrintHead();
  for (const Row& row : kRows) {
    PrintRow(row, row.batcher, "expected-makespan", [](ExhaustiveSearch& every) { return every.OfAll(); });
  }
}

void Uniform() {
  PrintHead();
  const auto best = [](ExhaustiveSearch& every) { return every.OfUniform(); };
  for (const Row& row : kRows) {
    PrintRow(row, row.batcher, "uniform-tuned", best);
    if (std::strcmp(row.batcher, "random") != 0) PrintRow(row, "random", "uniform-tuned", best);
  }
}

void Regret() {
  std::printf("| model | GPUs | batch | mix | ours s | search s | with 10,000 s | search s | regret %% |\n");
  std::printf("|---|---|---|---|---|---|---|---|---|\n");
  struct LargeRow {
    const char* model;
    int nodes;
    const char* mix;
  };
  const LargeRow rows[] = {{kSmall, 8, "dflop-mix"},  {kLarge, 8, "dflop-mix"},  {kSmall, 16, "video"},
                           {kLarge, 16, "dflop-mix"}, {kSmall, 32, "dflop-mix"}, {kLarge, 32, "video"}};
  for (const LargeRow& row : rows) {
    const int batch = std::min(32 * row.nodes, 256);
    const PlannerJob job(row.model, "hgx-a100-800g", row.nodes, row.mix, batch, "lpt-2d");
    LayoutDecision ours;
    LayoutDecision all;
    const double search = SecondsOf([&] { ours = job.Plan("expected-makespan"); });
    const double long_search = SecondsOf([&] { all = job.Plan(R"({"name": "expected-makespan", "budget": 10000})"); });
    std::printf("| %s | %d | %d | %s | %.4f | %.2f | %.4f | %.0f | %.3f |\n", row.model, 8 * row.nodes, batch, row.mix,
                ours.predicted.value(), search, all.predicted.value(), long_search,
                100 * (ours.predicted / all.predicted - 1));
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace dflop

int main(int count, char** arguments) {
  const char* what = count == 2 ? arguments[1] : "";
  if (std::strcmp(what, "exhaustive") == 0) {
    dflop::Exhaustive();
  } else if (std::strcmp(what, "uniform") == 0) {
    dflop::Uniform();
  } else if (std::strcmp(what, "regret") == 0) {
    dflop::Regret();
  } else {
    std::fprintf(stderr, "planner_quality exhaustive|uniform|regret\n");
    return 2;
  }
}
