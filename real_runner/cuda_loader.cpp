// Opens the CUDA plug-in at run time: a program linked to CUDA would not even start where the toolkit or driver is
// missing.
#include <dlfcn.h>

#include <array>
#include <filesystem>

#include "base/error.hpp"
#include "real_runner/backend.hpp"
#include "real_runner/child_program.hpp"

namespace dflop {
namespace {

constexpr char kPlugin[] = "libdflop_cuda.so";
constexpr int kReasonSize = 1024;

/// The loader's words, e.g. that libcublasLt.so.13 is nowhere.
std::string LoaderError() {
  const char* text = dlerror();
  return text == nullptr ? "no reason given" : text;
}

}  // namespace

// The plug-in stays open for the life of the process: backends, kernels and exceptions hold its code.
std::unique_ptr<Backend> MakeCudaBackend() {
  const std::string path = BesideThisProgram(kPlugin);
  if (!std::filesystem::exists(path)) {
    throw InputError("--backend cuda: there is no " + path +
                     "; it is built where CMake finds a CUDA compiler (nvcc) and cuBLAS");
  }
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw InputError("--backend cuda: cannot be opened: " + LoaderError());
  const auto make = reinterpret_cast<MakeBackendFunction>(dlsym(library, kMakeBackendSymbol));
  if (make == nullptr) throw InputError("--backend cuda: " + path + " is of another version: " + LoaderError());
  std::array<char, kReasonSize> why{};
  Backend* backend = make(why.data(), kReasonSize);
  if (backend == nullptr) throw InputError("--backend cuda: " + std::string(why.data()));
  return std::unique_ptr<Backend>(backend);
}

}  // namespace dflop
