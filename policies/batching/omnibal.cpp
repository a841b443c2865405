// omnibal: OmniBal's balanced dynamic mini-batches by iterative sampling and filtering (arXiv 2407.20761, ICML 2025).
//
// Two limits say what a mini-batch may hold: tiles for the vision part, tokens for the language part. Sampling:
// shuffled samples fill one group after the other, each until the next sample would break a limit. Filtering: groups
// that are full in either measure stay, the samples of the others are shuffled and dealt again; so on for some rounds.
// What is left at the end is grouped as it comes. Group sizes differ, vision and language work are near the limits in
// all.
//
// Guessed, for the paper groups a whole data set beforehand, where mini-batches are as many as come out of it, and here
// a global batch has a fixed number of microbatches: the limits are the batch's means per microbatch; of the groups the
// fullest become the microbatches, and the samples of the others go, the largest first, to where the fuller of both
// measures stays lowest; where groups are too few the most numerous is cut in two. A group counts as full from `full`
// of a limit (the published example calls 3968 of 4096 tokens full). The rounds' number is that of the example too.
//
// Of its balanced partition of the model, layout `balanced-split` has what stages of one module can say; recomputation
// that differs by stage cannot be said here.
#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/index.hpp"
#include "policies/api/registry.hpp"
#include "policies/batching_search/equal_counts.hpp"

namespace dflop {
namespace {

/// Vision and language, as shares of a microbatch's limit.
using Measures = std::array<double, 2>;

struct Group {
  std::vector<int> samples{};
  Measures fill{};

  double fuller() const { return std::max(fill[0], fill[1]); }
  double FullerWith(const Measures& sample) const { return std::max(fill[0] + sample[0], fill[1] + sample[1]); }
  void Add(int i, const Measures& sample) {
    samples.push_back(i);
    for (std::size_t m = 0; m < fill.size(); ++m) fill[m] += sample[m];
  }
};

/// Tiles and tokens; on a problem of bare numbers its first and last cost.
std::vector<Measures> AmountsOf(const BatchProblem& problem) {
  std::vector<Measures> amounts;
  amounts.reserve(Index(problem.samples()));
  for (std::size_t i = 0; i < Index(problem.samples()); ++i) {
    if (!problem.context) {
      amounts.push_back({problem.costs.front()[i], problem.costs.back()[i]});
      continue;
    }
    const SampleShape& sample = problem.context->batch[i];
    double tiles = 0;
    for (const int of_encoder : sample.tiles) tiles += of_encoder;
    amounts.push_back({tiles, static_cast<double>(sample.llm_tokens)});
  }
  return amounts;
}

/// The same as shares of the mean over the microbatches; a measure that no sample has limits nothing.
std::vector<Measures> SharesOfLimits(const BatchProblem& problem) {
  std::vector<Measures> shares = AmountsOf(problem);
  for (std::size_t m = 0; m < Measures{}.size(); ++m) {
    double all = 0;
    for (const Measures& sample : shares) all += sample[m];
    for (Measures& sample : shares) sample[m] = all > 0 ? sample[m] * problem.buckets() / all : 0;
  }
  return shares;
}

class OmniBalBatcher final : public BatchScheduler {
 public:
  OmniBalBatcher(int rounds, double full) : rounds_(rounds), full_(full) {}

  BatchPlan Schedule(const BatchProblem& problem, RandomStream& random) override {
    const std::vector<Measures> shares = SharesOfLimits(problem);
    std::vector<Group> groups = SampleAndFilter(shares, random);
    MakeAsMany(problem.buckets(), shares, groups);
    random.Shuffle(groups);
    std::vector<std::vector<int>> buckets;
    buckets.reserve(groups.size());
    for (Group& group : groups) buckets.push_back(std::move(group.samples));
    return PlanOfBuckets(problem, std::move(buckets));
  }

 private:
  /// Sampling: one group after the other.
  static std::vector<Group> Fill(std::vector<int> samples, const std::vector<Measures>& shares, RandomStream& random) {
    constexpr double kLimit = 1 + 1e-9;  // rounding of sums is no breach
    random.Shuffle(samples);
    std::vector<Group> groups;
    for (const int i : samples) {
      const Measures& sample = shares[Index(i)];
      if (groups.empty() || groups.back().FullerWith(sample) > kLimit) groups.emplace_back();
      groups.back().Add(i, sample);
    }
    return groups;
  }

  std::vector<Group> SampleAndFilter(const std::vector<Measures>& shares, RandomStream& random) const {
    std::vector<int> left = InOrder(static_cast<int>(shares.size()));
    std::vector<Group> kept;
    std::vector<Group> others;
    for (int round = 0; round < rounds_ && !left.empty(); ++round) {
      others.clear();
      for (Group& group : Fill(std::move(left), shares, random)) {
        (group.fuller() >= full_ ? kept : others).push_back(std::move(group));
      }
      left.clear();
      for (const Group& group : others) left.insert(left.end(), group.samples.begin(), group.samples.end());
    }
    std::move(others.begin(), others.end(), std::back_inserter(kept));
    return kept;
  }

  /// The fullest stay; a sample of the others goes where the fuller measure stays lowest.
  static void MakeAsMany(int count, const std::vector<Measures>& shares, std::vector<Group>& groups) {
    while (groups.size() < Index(count)) CutMostNumerous(shares, groups);
    std::stable_sort(groups.begin(), groups.end(),
                     [](const Group& a, const Group& b) { return a.fuller() > b.fuller(); });
    std::vector<int> homeless;
    for (std::size_t g = Index(count); g < groups.size(); ++g) {
      homeless.insert(homeless.end(), groups[g].samples.begin(), groups[g].samples.end());
    }
    groups.resize(Index(count));
    const auto size = [&](int i) { return std::max(shares[Index(i)][0], shares[Index(i)][1]); };
    std::stable_sort(homeless.begin(), homeless.end(), [&](int a, int b) { return size(a) > size(b); });
    for (const int i : homeless) {
      const Measures& sample = shares[Index(i)];
      const auto best = std::min_element(groups.begin(), groups.end(), [&](const Group& a, const Group& b) {
        return a.FullerWith(sample) < b.FullerWith(sample);
      });
      best->Add(i, sample);
    }
  }

  static void CutMostNumerous(const std::vector<Measures>& shares, std::vector<Group>& groups) {
    const auto most = std::max_element(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
      return a.samples.size() < b.samples.size();
    });
    const std::vector<int> samples = std::exchange(*most, {}).samples;
    Group second;
    for (std::size_t n = 0; n < samples.size(); ++n) {
      (n < samples.size() / 2 ? *most : second).Add(samples[n], shares[Index(samples[n])]);
    }
    groups.push_back(std::move(second));
  }

  int rounds_;
  double full_;
};

const Registration<BatchScheduler> kOmniBal{
    {"omnibal",
     "mini-batches near both means of tiles and tokens, by iterative sampling and filtering (OmniBal, arXiv "
     "2407.20761)",
     {{.name = "rounds", .type = Parameter::Integer{1, 10'000}, .standard = 50, .help = "of sampling and filtering"},
      {.name = "full",
       .type = Parameter::Number{0.01, 1},
       .standard = 0.97,
       .help = "share of a limit from which a group stays as it is"}}},
    [](const Parameters& given) {
      return std::make_unique<OmniBalBatcher>(static_cast<int>(given.Int("rounds")), given.Number("full"));
    }};

}  // namespace
}  // namespace dflop
