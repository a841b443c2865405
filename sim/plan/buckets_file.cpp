// What holds of every batch is checked when read, what depends on the experiment when a step is asked for.
#include "sim/plan/buckets_file.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <set>

#include "base/error.hpp"
#include "base/index.hpp"

namespace dflop {
namespace {

BucketsFile::Step ReadStep(const JsonReader& json) {
  BucketsFile::Step step;
  std::set<int> seen;
  for (const JsonReader& list : json.Elements()) {
    if (list.Size() == 0) list.Fail("is empty, no microbatch may be");
    std::vector<int>& bucket = step.emplace_back();
    for (const JsonReader& element : list.Elements()) {
      bucket.push_back(static_cast<int>(element.Int(0, std::numeric_limits<int>::max())));
      if (!seen.insert(bucket.back()).second) element.Fail("is " + std::to_string(bucket.back()) + ", twice in a step");
    }
  }
  return step;
}

}  // namespace

BucketsFile::BucketsFile(const JsonReader& path) : file_(path.String()) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file_, error)) {
    path.Fail("is " + JsonQuote(file_) + ", but there is no such file");
  }
  const Json document = ReadJsonFile(file_);
  const JsonReader json(document, file_);
  json.CheckSchema("dflop/buckets/1", true);
  json.AllowOnly({"schema", "seeds"});
  const JsonReader seeds = json.At("seeds");
  if (!seeds.IsObject()) seeds.Fail("is no object {\"seed\": [steps]}");
  for (const std::string& seed : seeds.Keys()) {
    std::vector<Step>& steps = seeds_[seed];
    for (const JsonReader& step : seeds.At(seed).Elements()) steps.push_back(ReadStep(step));
  }
}

const BucketsFile::Step& BucketsFile::At(std::int64_t seed, int step, int buckets, int samples) const {
  const std::string name = std::to_string(seed);
  const auto steps = seeds_.find(name);
  if (steps == seeds_.end()) throw InputError(file_, "/seeds", "lacks the experiment's seed " + JsonQuote(name));
  std::string pointer = "/seeds/" + name;
  if (steps->second.size() <= Index(step)) {
    throw InputError(file_, pointer,
                     "has " + std::to_string(steps->second.size()) + " steps, the experiment wants step " +
                         std::to_string(step) + " too (counted from 0)");
  }
  pointer += "/" + std::to_string(step);
  const Step& found = steps->second[Index(step)];
  if (found.size() != Index(buckets)) {
    throw InputError(file_, pointer,
                     "has " + std::to_string(found.size()) + " buckets, the layout wants " + std::to_string(buckets));
  }
  std::vector<bool> seen(Index(samples));
  for (std::size_t b = 0; b < found.size(); ++b) {
    for (std::size_t i = 0; i < found[b].size(); ++i) {
      if (found[b][i] < samples) {
        seen[Index(found[b][i])] = true;
        continue;
      }
      throw InputError(
          file_, pointer + "/" + std::to_string(b) + "/" + std::to_string(i),
          "is " + std::to_string(found[b][i]) + ", the batch has samples 0 to " + std::to_string(samples - 1));
    }
  }
  const auto missing = std::find(seen.begin(), seen.end(), false);
  if (missing == seen.end()) return found;
  throw InputError(file_, pointer, "lacks sample " + std::to_string(missing - seen.begin()));
}

}  // namespace dflop
