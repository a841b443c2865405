// The key `anomalies` of a scenario: what its steps really meet, and planners and batch schedulers do not know.
//
//   {"kind": "slow-shapes", "module": "llm", "share": 0.03, "delay": 0.5, "range_tokens": 128, "per": "sample",
//    "stages": "first"}                                       some shapes are slower than predicted, every time
//   {"kind": "drift", "module": "llm", "per_step": 0.01, "limit": 0.5}         a module, or everything, becomes slower
//   {"kind": "slow-device", "gpu": 3, "factor": 1.5, "from_step": 10}          one GPU is slower
//   {"kind": "slow-link", "gpu": 3, "link": "nic", "factor": 4, "from_step": 10}      its NIC, or its "nvlink"s
//   {"kind": "flapping-nic", "gpu": 3, "share": 0.1, "factor": 10}                    its NIC, in a tenth of the steps
//   {"kind": "noise", "per_kernel": 0.02, "per_step": 0.01, "tail_share": 0.001, "tail_factor": 3}
//                                                                               times vary (sim/step/noise.hpp)
//
// Ranges: share 0–1, delay 0–100 (× the largest stage duration), range_tokens 1–10⁶ (128), per "sample" or
// "microbatch", stages "first" or "all"; per_step 0–1, limit 0–100 (1); gpu one of the cluster's, factor 1–100,
// from_step 0–10⁶ (0), of links and NICs factor 1–10⁶; per_kernel and per_step of noise 0–1, coefficients of variation
// of the factors that every operation of a GPU and every step draw (0.02 and 0.01, as measured), tail_share 0–1 (0)
// and, only beside it, tail_factor 1–1000. `module` is "llm" or an encoder's name; slow-shapes takes the LLM where none
// is named, drift everything. Noise stands there once, and so does a flapping NIC: a second one would draw the same.
// What slows a port multiplies. Planners see the machine as its cluster says, both engines the slow ports.
#pragma once

#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "experiments/spec/scenario.hpp"

namespace dflop {

/// `scenario`: read as far as model, cluster and samples. InputError at what is wrong.
std::vector<Anomaly> ReadAnomalies(const JsonReader& json, const Scenario& scenario);

/// Defaults included, for the assumptions of a result.
std::string DescribeAnomalies(const Scenario& scenario);

}  // namespace dflop
