// Opens the CUDA plug-in at run time: a program linked to CUDA would not even start where the toolkit or driver is
// missing.
#include <dlfcn.h>

#include <array>
#include <filesystem>

#include "base/child_program.hpp"
#include "base/error.hpp"
#include "real_runner/execute/stage_worker_factory.hpp"
#include "real_runner/kernels/backend.hpp"

namespace dflop {
namespace {

constexpr char kPlugin[] = "libdflop_cuda.so";
constexpr int kReasonSize = 1024;

/// The loader's words, e.g. that libcublasLt.so.13 is nowhere.
std::string LoaderError() {
  const char* text = dlerror();
  return text == nullptr ? "no reason given" : text;
}

/// The plug-in stays open for the life of the process: backends, kernels and exceptions hold its code.
template <typename Function>
Function FromPlugin(const char* symbol) {
  const std::string path = BesideThisProgram(kPlugin);
  if (!std::filesystem::exists(path)) {
    throw InputError("--backend cuda: there is no " + path +
                     "; it is built where CMake finds a CUDA compiler (nvcc) and cuBLAS");
  }
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw InputError("--backend cuda: cannot be opened: " + LoaderError());
  const auto function = reinterpret_cast<Function>(dlsym(library, symbol));
  if (function == nullptr) throw InputError("--backend cuda: " + path + " is of another version: " + LoaderError());
  return function;
}

/// What make(reason, its size) gives; where it gives nothing, the reason is thrown.
template <typename Make>
auto MadeBy(const Make& make) {
  std::array<char, kReasonSize> why{};
  auto* made = make(why.data(), kReasonSize);
  if (made == nullptr) throw InputError("--backend cuda: " + std::string(why.data()));
  return made;
}

}  // namespace

std::unique_ptr<Backend> MakeCudaBackend(const BackendOptions& options) {
  const auto make = FromPlugin<MakeBackendFunction>(kMakeBackendSymbol);
  return std::unique_ptr<Backend>(MadeBy([&](char* why, int size) { return make(options, why, size); }));
}

std::unique_ptr<StageWorkerFactory> MakeCudaStageWorkers(int ranks) {
  const auto make = FromPlugin<MakeStageWorkersFunction>(kMakeStageWorkersSymbol);
  return std::unique_ptr<StageWorkerFactory>(MadeBy([&](char* why, int size) { return make(ranks, why, size); }));
}

}  // namespace dflop
