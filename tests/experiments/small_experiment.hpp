// An experiment that runs in a blink: an 8-layer model on one node, eight samples a step.
#pragma once

#include "base/json.hpp"

namespace dflop {

inline Json SmallExperiment() {
  return ParseJson(R"({
    "schema": "dflop/experiment/1",
    "name": "small",
    "seeds": [1, 2],
    "steps": 2,
    "scenarios": [{
      "name": "tiny",
      "model": {
        "name": "tiny-vlm",
        "encoders": [{"name": "eye", "modality": "image", "hidden": 512, "ffn_hidden": 2048, "layers": 4, "heads": 8,
                      "patch_px": 14, "tile_px": 384, "tiling": "llava-onevision", "projector": "mlp2"}],
        "llm": {"hidden": 1024, "ffn_hidden": 4096, "layers": 8, "heads": 16, "kv_heads": 16, "vocab": 32000,
                "gated_ffn": true, "tied_embeddings": false}
      },
      "cluster": {"name": "dgx-a100", "nodes": 1},
      "samples": {"records": [{"images": [[640, 480]], "text_tokens": 100}, {"text_tokens": 500},
                              {"images": [[1600, 1200]], "text_tokens": 50}, {"video_frames": 8, "text_tokens": 30}]},
      "planning_samples": 32,
      "global_batch_size": 8
    }],
    "policies": [
      {"name": "plain", "layout": {"name": "fixed", "uniform": {"tp": 2, "pp": 2, "dp": 2, "encoder_stages": 1},
                                   "microbatches": 2}, "batching": "random", "pipeline": "1f1b"},
      {"name": "split", "layout": {"name": "fixed", "encoders": {"eye": {"tp": 1, "pp": 1, "dp": 4}},
                                   "llm": {"tp": 2, "pp": 2, "dp": 1}, "microbatches": 4},
       "batching": "lpt-2d", "pipeline": "1f1b"}
    ],
    "baselines": ["plain"]
  })",
                   "small experiment");
}

}  // namespace dflop
