// Of two ways to say one thing exactly one is allowed.
#include "experiments/spec/training.hpp"

namespace dflop {
namespace {

constexpr double kLeastFailuresPerGpuHour = 1e-12;  // nothing but 0 lies below it

struct Choice {
  const char* key;
  std::optional<double>& value;
  double least;
  double most;
};

void ReadOneOf(const JsonReader& json, const Choice& a, const Choice& b) {
  if (json.Has(a.key) && json.Has(b.key)) {
    json.At(b.key).Fail(std::string("stands beside ") + a.key + ", which says the same: one of them is allowed");
  }
  if (!json.Has(a.key) && !json.Has(b.key)) json.Fail(std::string("wants ") + a.key + " or " + b.key);
  const Choice& given = json.Has(a.key) ? a : b;
  given.value = json.At(given.key).Number(given.least, given.most);
}

CheckpointSpec ReadCheckpoint(const JsonReader& json) {
  json.AllowOnly({"every_s", "every_steps", "write_s", "bytes_per_s", "blocking"});
  CheckpointSpec checkpoint;
  ReadOneOf(json, {"every_s", checkpoint.every_s, 1e-3, 1e9}, {"every_steps", checkpoint.every_steps, 1, 1e12});
  ReadOneOf(json, {"write_s", checkpoint.write_s, 0, 1e6}, {"bytes_per_s", checkpoint.bytes_per_s, 1, 1e15});
  if (checkpoint.every_steps) json.At("every_steps").Int(1, 1'000'000'000'000);
  checkpoint.blocking = json.BoolOr("blocking", true);
  return checkpoint;
}

FailureSpec ReadFailures(const JsonReader& json) {
  json.AllowOnly({"per_gpu_hour", "restart_s"});
  const JsonReader rate = json.At("per_gpu_hour");
  const FailureSpec failures = {rate.Number(0, 1), json.At("restart_s").Number(0, 1e7)};
  if (failures.per_gpu_hour > 0) rate.Number(kLeastFailuresPerGpuHour, 1);
  return failures;
}

Json CheckpointToJson(const CheckpointSpec& checkpoint) {
  Json json;
  if (checkpoint.every_s) json["every_s"] = *checkpoint.every_s;
  if (checkpoint.every_steps) json["every_steps"] = *checkpoint.every_steps;
  if (checkpoint.write_s) json["write_s"] = *checkpoint.write_s;
  if (checkpoint.bytes_per_s) json["bytes_per_s"] = *checkpoint.bytes_per_s;
  json["blocking"] = checkpoint.blocking;
  return json;
}

}  // namespace

TrainingSpec ReadTraining(const JsonReader& json) {
  constexpr double kMost = 1e15;
  json.AllowOnly({"samples", "tokens", "price_per_gpu_hour", "checkpoint", "failures"});
  TrainingSpec training;
  ReadOneOf(json, {"samples", training.samples, 1, kMost}, {"tokens", training.tokens, 1, kMost});
  if (const auto price = json.Find("price_per_gpu_hour")) training.price_per_gpu_hour = price->Number(0, 1e4);
  if (const auto checkpoint = json.Find("checkpoint")) training.checkpoint = ReadCheckpoint(*checkpoint);
  if (const auto failures = json.Find("failures")) training.failures = ReadFailures(*failures);
  return training;
}

Json ToJson(const TrainingSpec& training) {
  Json json;
  if (training.samples) json["samples"] = *training.samples;
  if (training.tokens) json["tokens"] = *training.tokens;
  if (training.price_per_gpu_hour) json["price_per_gpu_hour"] = *training.price_per_gpu_hour;
  if (training.checkpoint) json["checkpoint"] = CheckpointToJson(*training.checkpoint);
  if (training.failures) {
    json["failures"]["per_gpu_hour"] = training.failures->per_gpu_hour;
    json["failures"]["restart_s"] = training.failures->restart_s;
  }
  return json;
}

}  // namespace dflop
