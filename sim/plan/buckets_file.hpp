// dflop/buckets/1: batch plans that were made elsewhere, such as by the solver of DFLOP's release.
//
//   {"schema": "dflop/buckets/1",
//    "seeds": {"1": [[[5, 0], [2], [1, 7], …], …], "2": …}}
//
// Per seed of the experiment a list of steps, per step a list of buckets, per bucket the indices of its samples in the
// step's global batch, which `dflop plan --seed 1 --out PLAN.json` lists under /steps/N/batch. As in the release,
// bucket j is microbatch j div L_dp of LLM replica j mod L_dp.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json_reader.hpp"

namespace dflop {

class BucketsFile {
 public:
  using Step = std::vector<std::vector<int>>;  ///< sample indices by bucket

  /// `path` is the reader of the file's name. InputError there when there is no such file, and in the file at what is
  /// no index, stands twice in a step, or is an empty bucket.
  explicit BucketsFile(const JsonReader& path);

  /// InputError in the file where it has no such seed or step, another number of buckets, or not every sample of the
  /// batch once.
  const Step& At(std::int64_t seed, int step, int buckets, int samples) const;

 private:
  std::string file_;
  std::map<std::string, std::vector<Step>> seeds_;
};

}  // namespace dflop
