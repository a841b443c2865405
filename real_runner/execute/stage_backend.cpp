// Entries of one table, each with what it needs of ranks, clock and devices.
#include "real_runner/execute/stage_backend.hpp"

#include <thread>

#include "base/error.hpp"
#include "base/json_reader.hpp"
#include "real_runner/execute/cpu_worker.hpp"
#include "real_runner/execute/spin_worker.hpp"
#include "real_runner/execute/stage_worker_factory.hpp"
#include "real_runner/messages/transport.hpp"

namespace dflop {
namespace {

StageBackend Spin(int ranks, double time_scale) {
  const bool a_core_each = static_cast<unsigned>(ranks) <= std::thread::hardware_concurrency();
  const SpinOptions options{time_scale, a_core_each};
  return {"spin",
          [](const Plan&) { return std::string(); },
          [options](const Plan& plan, int) { return MakeSpinWorker(plan, options); },
          [options](const Plan& plan, std::size_t step, const StepProgram& program) {
            return PredictedLinks(plan, step, program, options);
          },
          time_scale,
          true};
}

StageBackend Cpu() {
  return {"cpu", WhyCpuCannot, MakeCpuWorker,
          [](const Plan&, std::size_t, const StepProgram& program) { return RealLinks(program); }};
}

StageBackend Cuda(int ranks) {
  if (UnderMpiLauncher()) {
    throw InputError(
        "--backend cuda: its ranks are threads of one program, which share GPUs and their memory; "
        "start it without a launcher");
  }
  const std::shared_ptr<StageWorkerFactory> factory = MakeCudaStageWorkers(ranks);
  return {"cuda", [factory](const Plan& plan) { return factory->WhyNot(plan); },
          [factory](const Plan& plan, int rank) { return factory->Make(plan, rank); },
          [](const Plan&, std::size_t, const StepProgram& program) { return RealLinks(program); }};
}

}  // namespace

const std::vector<StageBackendKind>& StageBackends() {
  static const std::vector<StageBackendKind> kBackends = {
      {.name = "spin", .real = false, .make = Spin},
      {.name = "cpu", .make = [](int, double) { return Cpu(); }},
      {.name = "cuda", .shares_devices = true, .make = [](int ranks, double) { return Cuda(ranks); }}};
  return kBackends;
}

std::vector<std::string> StageBackendNames() {
  std::vector<std::string> names;
  for (const StageBackendKind& kind : StageBackends()) names.push_back(kind.name);
  return names;
}

const StageBackendKind& StageBackendOf(const std::string& name) {
  for (const StageBackendKind& kind : StageBackends()) {
    if (kind.name == name) return kind;
  }
  throw InputError("--backend: \"" + name + "\" is not known; allowed: " + JoinNames(StageBackendNames()));
}

StageBackend FindStageBackend(const std::string& name, int ranks, double time_scale) {
  const StageBackendKind& kind = StageBackendOf(name);
  if (kind.real && time_scale != 1) {
    throw InputError("--time-scale: real kernels run in real time, only spin can be scaled");
  }
  return kind.make(ranks, time_scale);
}

}  // namespace dflop
