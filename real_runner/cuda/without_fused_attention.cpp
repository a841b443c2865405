// In a build without cuDNN or its header-only frontend attention is unfused.
#include "real_runner/cuda/attention.hpp"

namespace dflop::cuda {

std::unique_ptr<Attention> MakeFusedAttention(Device& /*device*/, const AttentionShape& /*shape*/, bool /*backward*/,
                                              std::string& why) {
  why = "built without cuDNN's frontend headers";
  return nullptr;
}

}  // namespace dflop::cuda
