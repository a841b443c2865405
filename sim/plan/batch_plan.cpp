// Validity first, then the division of work: sequences by replica and microbatch, tiles by where they are encoded.
#include "sim/plan/batch_plan.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/index.hpp"
#include "base/text.hpp"

namespace dflop {

int ContextRanks(const Layout& layout) {
  int ranks = -1;
  for (const Stage& stage : layout.stages) {
    for (const ModulePart& part : stage.parts) {
      if (part.module != layout.modules() - 1) continue;
      if (part.mesh.ep > 1 || part.mesh.etp > 1 || (ranks >= 0 && part.mesh.cp != ranks)) return 0;
      ranks = part.mesh.cp;
    }
  }
  return std::max(ranks, 0);
}

namespace {

/// [replica][microbatch] of the LLM.
std::vector<std::vector<SequenceBatch>> LlmBatches(const Buckets& buckets, const std::vector<SampleShape>& batch,
                                                   Packing packing, int splits) {
  std::vector<std::vector<SequenceBatch>> batches;
  batches.reserve(buckets.size());
  std::vector<LlmSequence> samples;
  std::vector<int> tokens;
  for (const auto& replica : buckets) {
    auto& row = batches.emplace_back();
    row.reserve(replica.size() * Index(splits));
    for (const std::vector<int>& bucket : replica) {
      if (splits == 1) {
        samples.clear();
        for (const int i : bucket) samples.push_back(SequenceOf(batch[Index(i)]));
        row.push_back(LlmBatch(samples, packing));
        continue;
      }
      tokens.clear();
      for (const int i : bucket) tokens.push_back(batch[Index(i)].llm_tokens);
      for (SequenceBatch& part : LlmBatchInSplits(tokens, packing, splits)) row.push_back(std::move(part));
    }
  }
  return batches;
}

/// 64 bits: a million samples may bring a million tiles each.
std::int64_t Tiles(const std::vector<int>& bucket, const std::vector<SampleShape>& batch, std::size_t encoder) {
  std::int64_t tiles = 0;
  for (const int i : bucket) tiles += batch[static_cast<std::size_t>(i)].tiles[encoder];
  return tiles;
}

/// [replica][microbatch, or each of its splits]: of an image that is cut, as many tiles as whole tiles allow.
std::vector<std::vector<std::int64_t>> TilesOfBuckets(const Buckets& buckets, const std::vector<SampleShape>& batch,
                                                      std::size_t encoder, int splits) {
  std::vector<std::vector<std::int64_t>> tiles;
  for (const auto& replica : buckets) {
    auto& row = tiles.emplace_back();
    for (const auto& bucket : replica) {
      const std::int64_t all = Tiles(bucket, batch, encoder);
      for (int split = 0; split < splits; ++split) row.push_back(ShareOfTiles(all, split, splits));
    }
  }
  return tiles;
}

/// The union of the LLM replicas' microbatches, divided over the replicas of an encoder with devices of its own:
/// [encoder replica][microbatch].
std::vector<std::vector<std::int64_t>> SharesOfUnion(const std::vector<std::vector<std::int64_t>>& tiles,
                                                     int replicas) {
  std::vector<std::vector<std::int64_t>> shares(static_cast<std::size_t>(replicas),
                                                std::vector<std::int64_t>(tiles.front().size()));
  for (std::size_t k = 0; k < tiles.front().size(); ++k) {
    std::int64_t all = 0;
    for (const auto& replica : tiles) all += replica[k];
    for (int r = 0; r < replicas; ++r) shares[static_cast<std::size_t>(r)][k] = ShareOfTiles(all, r, replicas);
  }
  return shares;
}

/// Where each sample stands, by its index in the batch; −1: nowhere.
struct Place {
  int replica = -1;
  int microbatch = -1;
};
std::vector<Place> PlacesOf(const Buckets& buckets, std::size_t samples) {
  std::vector<Place> places(samples);
  for (std::size_t r = 0; r < buckets.size(); ++r) {
    for (std::size_t k = 0; k < buckets[r].size(); ++k) {
      for (const int i : buckets[r][k]) places[Index(i)] = {static_cast<int>(r), static_cast<int>(k)};
    }
  }
  return places;
}

/// [LLM microbatch]: which replica encodes for which, its own included.
std::vector<std::vector<TileRoute>> RoutesOf(const Buckets& encoder, const Buckets& llm,
                                             const std::vector<SampleShape>& batch, std::size_t e) {
  const std::vector<Place> target_of = PlacesOf(llm, batch.size());
  std::vector<std::map<std::pair<int, int>, std::int64_t>> tiles(llm.front().size());
  for (std::size_t from = 0; from < encoder.size(); ++from) {
    for (const auto& bucket : encoder[from]) {
      for (const int i : bucket) {
        const Place& target = target_of[Index(i)];
        tiles[Index(target.microbatch)][{static_cast<int>(from), target.replica}] += batch[Index(i)].tiles[e];
      }
    }
  }
  std::vector<std::vector<TileRoute>> routes(tiles.size());
  for (std::size_t k = 0; k < routes.size(); ++k) {
    for (const auto& [pair, count] : tiles[k]) routes[k].push_back({pair.first, pair.second, count});
  }
  return routes;
}

std::string WhyCounts(const Buckets& buckets, int replicas, int microbatches) {
  if (static_cast<int>(buckets.size()) != replicas) {
    return "has " + std::to_string(buckets.size()) + " replicas, the layout " + std::to_string(replicas);
  }
  for (const auto& replica : buckets) {
    if (static_cast<int>(replica.size()) != microbatches) {
      return "has " + std::to_string(replica.size()) + " microbatches in a replica, the layout " +
             std::to_string(microbatches);
    }
  }
  return "";
}

/// Every sample of the batch exactly once, in a bucket or deferred.
std::string WhySamples(const BatchPlan& plan, int samples) {
  std::vector<int> seen(Index(samples));
  std::string wrong;
  const auto see = [&](int i) {
    if (!wrong.empty()) return;
    if (i < 0 || i >= samples) {
      wrong = "names sample " + std::to_string(i) + " of " + std::to_string(samples);
    } else if (++seen[Index(i)] > 1) {
      wrong = "runs sample " + std::to_string(i) + " twice";
    }
  };
  for (const auto& replica : plan.buckets) {
    for (const auto& bucket : replica) {
      if (bucket.empty() && wrong.empty()) wrong = "leaves a microbatch empty";
      for (const int i : bucket) see(i);
    }
  }
  for (const int i : plan.deferred) see(i);
  if (!wrong.empty()) return wrong;
  const auto missing = std::find(seen.begin(), seen.end(), 0);
  return missing == seen.end() ? "" : "forgets sample " + std::to_string(missing - seen.begin());
}

/// Why an encoder may not run sample `i` in microbatch `k`; "" where it may.
std::string WhyNotEncoded(int i, int k, const std::vector<Place>& llm) {
  if (i < 0 || Index(i) >= llm.size()) return Format("encodes sample %d of %zu in microbatch %d", i, llm.size(), k);
  const int runs = llm[Index(i)].microbatch;
  if (runs < 0) return Format("encodes sample %d in microbatch %d, which the LLM does not run", i, k);
  if (k > runs) return Format("encodes sample %d in microbatch %d, and the LLM runs it in %d", i, k, runs);
  return "";
}

/// The encoder's microbatches hold what the LLM's hold, each sample once and no later.
std::string WhyEncoder(const Buckets& encoder, const BatchPlan& plan, const Layout& layout, std::size_t e,
                       std::size_t samples) {
  const std::string wrong = WhyCounts(encoder, layout.replicas_of(static_cast<int>(e)), layout.microbatches);
  if (!wrong.empty()) return wrong;
  const std::vector<Place> llm = PlacesOf(plan.buckets, samples);
  std::vector<bool> seen(samples);
  for (const auto& replica : encoder) {
    for (std::size_t k = 0; k < replica.size(); ++k) {
      for (const int i : replica[k]) {
        const std::string why = WhyNotEncoded(i, static_cast<int>(k), llm);
        if (!why.empty()) return why;
        if (seen[Index(i)]) return Format("encodes sample %d twice", i);
        seen[Index(i)] = true;
      }
    }
  }
  for (std::size_t i = 0; i < samples; ++i) {
    if (llm[i].microbatch >= 0 && !seen[i]) return "does not encode sample " + std::to_string(i);
  }
  return "";
}

std::string WhyContextRanks(const BatchPlan& plan, const Layout& layout) {
  if (plan.context_ranks.empty()) return "";
  if (layout.splits > 1) return "gives microbatches context-parallel degrees of their own in a layout that splits them";
  const int ranks = ContextRanks(layout);
  if (ranks == 0) return "gives microbatches context-parallel degrees of their own, and experts share their ranks";
  if (plan.context_ranks.size() != plan.buckets.size())
    return "does not give every replica its context-parallel degrees";
  for (std::size_t r = 0; r < plan.buckets.size(); ++r) {
    if (plan.context_ranks[r].size() != plan.buckets[r].size()) {
      return "does not give every microbatch a context-parallel degree";
    }
    for (const int degree : plan.context_ranks[r]) {
      if (degree < 1 || ranks % degree != 0) {
        return Format("divides sequences over %d ranks, which does not divide the layout's %d", degree, ranks);
      }
    }
  }
  return "";
}

}  // namespace

std::int64_t ShareOfTiles(std::int64_t tiles, int replica, int replicas) {
  return tiles / replicas + (replica < tiles % replicas ? 1 : 0);
}

std::string WhyInvalid(const BatchPlan& plan, const Layout& layout, int samples) {
  std::string wrong = WhyCounts(plan.buckets, layout.llm_replicas(), layout.microbatches);
  if (wrong.empty()) wrong = WhySamples(plan, samples);
  if (wrong.empty()) wrong = WhyContextRanks(plan, layout);
  if (!wrong.empty() || plan.encoder_buckets.empty()) return wrong;
  if (layout.splits > 1) return "encodes elsewhere than the LLM runs, which a layout that divides sequences does not";
  if (static_cast<int>(plan.encoder_buckets.size()) + 1 != layout.modules()) return "does not plan every encoder";
  for (std::size_t e = 0; wrong.empty() && e < plan.encoder_buckets.size(); ++e) {
    wrong = WhyEncoder(plan.encoder_buckets[e], plan, layout, e, Index(samples));
  }
  return wrong;
}

bool RunsUnion(const BatchPlan& plan, const Layout& layout, int module) {
  return layout.feeds(module) && plan.encoder_buckets.empty();
}

std::vector<int> SamplesIn(const BatchPlan& plan, const Layout& layout, int module, int replica, int k) {
  if (!RunsUnion(plan, layout, module)) {
    const bool planned = Index(module) < plan.encoder_buckets.size();
    return (planned ? plan.encoder_buckets[Index(module)] : plan.buckets)[Index(replica)][Index(k)];
  }
  std::vector<int> samples;
  for (const auto& row : plan.buckets) samples.insert(samples.end(), row[Index(k)].begin(), row[Index(k)].end());
  return samples;
}

std::vector<std::vector<double>> GradientWeights(const BatchPlan& plan, const std::vector<SampleShape>& batch) {
  double text = 0;
  for (const auto& replica : plan.buckets) {
    for (const auto& bucket : replica) {
      for (const int i : bucket) text += batch[Index(i)].text_tokens;
    }
  }
  std::vector<std::vector<double>> weights;
  double all = 0;
  for (const auto& replica : plan.buckets) {
    auto& row = weights.emplace_back();
    for (const auto& bucket : replica) {
      double tokens = 0;
      for (const int i : bucket) tokens += text > 0 ? batch[Index(i)].text_tokens : batch[Index(i)].llm_tokens;
      row.push_back(tokens);
      all += tokens;
    }
  }
  DFLOP_CHECK(all > 0, "a batch has tokens");
  for (auto& row : weights) {
    for (double& weight : row) weight /= all;
  }
  return weights;
}

std::vector<std::vector<int>> EncodedIn(const BatchPlan& plan, std::size_t samples) {
  std::vector<std::set<int>> held(plan.buckets.front().size());
  bool moves = false;
  const std::vector<Place> llm = PlacesOf(plan.buckets, samples);
  for (const Buckets& encoder : plan.encoder_buckets) {
    const std::vector<Place> encoded = PlacesOf(encoder, samples);
    for (std::size_t i = 0; i < samples; ++i) {
      if (llm[i].microbatch < 0) continue;
      held[Index(llm[i].microbatch)].insert(encoded[i].microbatch);
      moves = moves || llm[i].microbatch != encoded[i].microbatch;
    }
  }
  if (!moves) return {};
  std::vector<std::vector<int>> encoded_in;
  encoded_in.reserve(held.size());
  for (const std::set<int>& microbatches : held) encoded_in.emplace_back(microbatches.begin(), microbatches.end());
  return encoded_in;
}

StepWork DivideWork(const BatchPlan& plan, const Layout& layout, const CostModel& cost,
                    const std::vector<SampleShape>& batch) {
  const ModelSpec& model = cost.model();
  StepWork work;
  work.sequences.resize(static_cast<std::size_t>(model.module_count()));
  for (std::size_t e = 0; e < model.encoders.size(); ++e) {
    work.tiles.push_back(TilesOfBuckets(plan.buckets, batch, e, layout.splits));
    const bool planned = !plan.encoder_buckets.empty();
    const bool feeds = layout.feeds(static_cast<int>(e));
    if (planned && !feeds) {
      work.routes.push_back(RoutesOf(plan.encoder_buckets[e], plan.buckets, batch, e));
    }
    const auto encoded = planned ? TilesOfBuckets(plan.encoder_buckets[e], batch, e, layout.splits)
                         : feeds ? SharesOfUnion(work.tiles.back(), layout.replicas_of(static_cast<int>(e)))
                                 : work.tiles.back();
    for (const auto& replica : encoded) {
      auto& row = work.sequences[e].emplace_back();
      for (const std::int64_t tiles : replica) {
        row.push_back(EncoderBatch(model.encoders[e], static_cast<double>(tiles)));
      }
    }
  }
  if (!plan.encoder_buckets.empty()) work.encoded_in = EncodedIn(plan, batch.size());
  work.sequences.back() = LlmBatches(plan.buckets, batch, cost.software().packing, layout.splits);
  for (std::size_t r = 0; r < plan.context_ranks.size(); ++r) {
    for (std::size_t k = 0; k < plan.context_ranks[r].size(); ++k) {
      work.sequences.back()[r][k].context_ranks = plan.context_ranks[r][k];
    }
  }
  return work;
}

Json ToJson(const Buckets& buckets) {
  Json replicas = Json::EmptyArray();
  for (const auto& replica : buckets) {
    Json microbatches = Json::EmptyArray();
    for (const auto& bucket : replica) microbatches.push_back(Json::ArrayOf(bucket));
    replicas.push_back(std::move(microbatches));
  }
  return replicas;
}

Buckets ReadBuckets(const JsonReader& json) {
  Buckets buckets;
  for (const JsonReader& replica : json.Elements()) {
    auto& microbatches = buckets.emplace_back();
    for (const JsonReader& bucket : replica.Elements()) {
      auto& samples = microbatches.emplace_back();
      for (const JsonReader& sample : bucket.Elements()) samples.push_back(static_cast<int>(sample.Int(0, 1 << 20)));
    }
  }
  return buckets;
}

}  // namespace dflop
