# Sourced: a text model of GPT's shape, 64 microbatches of one sample for every replica, as an experiment on stdout.
#
#   text_job NAME ENGINE LENGTHS HIDDEN LAYERS TP PP DP [BATCHING]
#
# LENGTHS: `one`, every sample has 2,048 tokens; `own`, each is drawn from 1,999 lengths between 256 and 4,351.
text_job() {
  local name=$1 engine=$2 lengths=$3 hidden=$4 layers=$5 tp=$6 pp=$7 dp=$8 batching=${9:-in-order}
  local heads=$((hidden / 128)) samples='{"name": "fixed", "text_tokens": 2048}'
  if [[ $lengths == own ]]; then
    samples='{"records": ['$(seq 1 1999 | awk '{printf "%s{\"text_tokens\": %d}", (NR > 1 ? ", " : ""), 256 + 17 * $1 % 4096}')']}'
  fi
  cat <<JSON
{"schema": "dflop/experiment/1", "name": "$name", "description": "$name", "engine": "$engine", "seeds": [1], "steps": 1,
 "scenarios": [{"name": "$name", "global_batch_size": $((64 * dp)), "precision": "fp16", "recompute": "full",
   "model": {"name": "$name", "llm": {"hidden": $hidden, "ffn_hidden": $((4 * hidden)), "layers": $layers, "heads": $heads,
             "kv_heads": $heads, "vocab": 51200, "gated_ffn": false, "tied_embeddings": true}},
   "cluster": {"name": "dgx-a100", "nodes": $((tp * pp * dp / 8))}, "samples": $samples}],
 "policies": [{"name": "fixed", "batching": "$batching", "pipeline": "1f1b",
   "layout": {"name": "fixed", "llm": {"tp": $tp, "pp": $pp, "dp": $dp}, "samples_per_microbatch": 1}}]}
JSON
}
