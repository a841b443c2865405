// How many tokens a text is, where nobody counted them.
//
// A vocabulary is not at hand where samples are read, and models differ in theirs. What a byte-pair vocabulary makes of
// a text follows mostly from the kinds of its characters: a common English word is one token whatever its length, other
// languages in Latin letters are spelled in pieces, a Chinese character is less than one, a digit one. The rates are
// fitted to Qwen's vocabulary on texts of some fifty languages; how far the estimate then is from it and from Llama 3's
// is in results/calibration/text_length.md.
#pragma once

#include <string_view>

namespace dflop {

/// Estimated tokens of a UTF-8 text; 0 for an empty one only. Bytes that are no UTF-8 count one character each.
double EstimateTokens(std::string_view text);

}  // namespace dflop
