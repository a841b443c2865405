// One record of a training set of conversations, in the dialects in use; what its media and text amount to.
//
//   text    "conversations" or "messages": turns with "value", "content" or "text", each a string or a list of parts;
//           a part is a string, {"type": "text", "text": …}, or a medium: {"type": "image", "image": …, "width": …, …}.
//           "system" counts too. Tokens are estimated (traces/text_length), or given: "text_tokens", "num_text_tokens",
//           "token_count", "num_tokens", "n_tokens", text alone and without placeholders.
//   media   "image", "images", "video", "videos", "audio", "audios": a name, an object that says more of itself, or a
//           list of either; of the record, a turn or a part
//   sizes   "width" and "height", also as "…s", "…_list", "image_…" (numbers, or arrays for several images), or
//           "image_size", "image_sizes", "size" ([w, h] or [[w, h], …])
//   length  "frames" (as sampled; also "video_frames", "num_frames", "nframes"; or the frames' names) or "duration",
//           "durations", "video_duration", "audio_duration", in seconds, an array for several clips. A video's seconds
//           become one frame each, at most 32 a clip.
//
// null, "" and [] mean absent. The placeholders <image>, <video> and <audio> in the text must be as many as the media;
// <image> may stand for a video, as in LLaVA-Video. A key that names or holds another medium is an error: no medium is
// dropped without a word. Other keys are left alone: every set has some of its own. Sizes are not read from the images
// themselves, which would need the files and a decoder.
#pragma once

#include <string>

#include "base/json_reader.hpp"
#include "traces/sample.hpp"

namespace dflop {

struct ConversationSample {
  Sample sample;
  bool estimated = false;  ///< text tokens
  std::string mismatch;    ///< what of media, keys and placeholders disagrees, with its place; "" for nothing
};

/// InputError where a medium lacks its size or length, or the record is of no known dialect.
ConversationSample ReadConversation(const JsonReader& record);

/// Whether the object has a key that makes it a record, and not a wrapper of records.
bool IsConversation(const JsonReader& object);

}  // namespace dflop
