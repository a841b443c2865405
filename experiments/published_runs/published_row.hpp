// A published training run as a table states it: architecture, machine, layout, measured seconds of a step.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace dflop {

/// Numbers are 0 and texts empty where the table does not say. Degrees and counts as in an experiment; `ffn` is the
/// width of one matrix, `micro_batch` samples of one replica and microbatch, `global_batch` samples of one step.
struct PublishedRow {
  std::string table;  ///< the file's name, without its folder
  std::size_t line = 0;
  std::string source, model, gpu, precision, recompute, framework, notes;
  int layers = 0, hidden = 0, heads = 0, kv_heads = 0, ffn = 0, vocab = 0, seq_len = 0;
  int gpus = 0, nodes = 0;
  int tp = 0, pp = 0, vp = 0, dp = 0, cp = 0, ep = 0;
  int micro_batch = 0, global_batch = 0;
  int experts = 0, top_k = 0;
  double step_time_s = 0;
};

/// Reads a table, its kind known by its header: either the columns of published runs (`source`, `model`, …,
/// `step_time_s`, names as above with `act_recompute`, `topk`, `tokens_per_s_per_gpu`), or those of vTrain's validation
/// (`gpus`, `global_batch`, `micro_batch`, `hidden`, `heads`, `layers`, `seq`, `tp`, `dp`, `pp`, `measured_s`; its
/// feed-forward width is 4 · hidden, its vocabulary 51,200). Empty cells, "-", "–", "?" and "n/a" say nothing, other
/// columns are left alone. Where only tokens per second and GPU are given, seconds follow from them. InputError
/// "FILE:LINE: column …" for a number that is none or out of range, InputError for a table of neither kind.
std::vector<PublishedRow> ReadPublishedRows(const std::string& path);

/// Whether `text` holds `word`, whatever the case of ASCII letters.
bool Mentions(const std::string& text, const std::string& word);

}  // namespace dflop
