// Runs of one kind of character, each run with its price.
//
// Pre-tokenization (the pattern that Qwen, Llama 3 and GPT-4 share) cuts a text into runs of letters, digits, marks and
// white space; a blank before a run belongs to it. So a run is what is priced: what a word costs at all, and what each
// further letter of it adds. Fixed by that pattern: a common word, a digit, a mark, a line break are one token.
// Fitted (non-negative least squares of relative errors): the rest.
#include "traces/text_length.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace dflop {
namespace {

// Tokens per word (run of letters) and per letter beyond the first few.
constexpr double kEnglishWord = 1.0;
constexpr double kEnglishLongLetter = 0.122;  // beyond six
constexpr double kInnerCapital = 0.051;       // camelCase
constexpr double kOtherWord = 0.523;          // of another language in Latin letters
constexpr double kOtherWordLetter = 0.300;    // beyond two
constexpr double kCyrillicWord = 1.492;
constexpr double kCyrillicLetter = 0.191;  // beyond three
constexpr double kArabicWord = 0.060;
constexpr double kArabicLetter = 0.426;
constexpr double kHangulWord = 0.266;
constexpr double kHangulSyllable = 0.716;
// Tokens per mark: alone, or right before a word, which it often joins; further marks of the same run.
constexpr double kMarkAlone = 1.0;
constexpr double kMarkJoiningWord = 0.427;
constexpr double kFurtherMark = 0.218;
constexpr double kIndent = 0.741;  // a run of several blanks
constexpr double kLineBreaks = 1.0;

/// What a character is. Letters of the Latin script form words together, as do those of the Cyrillic and the Arabic.
enum class Kind {
  kLatin,       // a … z
  kAccented,    // U+00C0 … U+00FF: Western European
  kExtended,    // U+0100 … U+024F: Central European, Turkish, …
  kVietnamese,  // U+1E00 … U+1EFF, whole words of which are in the vocabularies
  kCombining,   // accents of their own
  kCyrillic,    // Russian
  kCyrillicOther,
  kArabic,
  kArabicOther,  // letters of Persian, Urdu, Kurdish, Uyghur
  kHangul,
  kHan,
  kKana,
  kGreek,
  kHebrew,
  kIndic,
  kThai,
  kDigit,
  kMark,       // ASCII punctuation
  kWideMark,   // CJK and full-width punctuation
  kQuoteMark,  // dashes, quotation marks, ellipsis, Latin-1 signs
  kSymbol,     // arrows, mathematics, boxes, dingbats
  kEmoji,
  kOtherLetter,
  kBlank,
  kLineBreak,
};

/// Tokens that each character of the kind adds, where that is all there is to it.
double PerCharacter(Kind kind) {
  switch (kind) {
    case Kind::kAccented:
      return 0.448;
    case Kind::kExtended:
      return 1.078;
    case Kind::kCombining:
      return 0.8;
    case Kind::kCyrillicOther:
      return 2.601;
    case Kind::kArabicOther:
      return 1.071;
    case Kind::kHan:
      return 0.625;
    case Kind::kKana:
      return 0.583;
    case Kind::kGreek:
      return 1.018;
    case Kind::kHebrew:
      return 0.470;
    case Kind::kIndic:
      return 1.246;
    case Kind::kThai:
      return 0.636;
    case Kind::kDigit:
    case Kind::kWideMark:
    case Kind::kQuoteMark:
      return 1.0;
    case Kind::kSymbol:
      return 1.2;
    case Kind::kEmoji:
      return 1.3;
    case Kind::kOtherLetter:
      return 1.183;
    default:
      return 0;
  }
}

struct Block {
  std::uint32_t last;
  Kind kind;
};
// Ascending; a character belongs to the first block that reaches it.
constexpr std::array<Block, 49> kBlocks = {{
    {0x9f, Kind::kOtherLetter},    {0xa0, Kind::kBlank},         {0xbf, Kind::kQuoteMark},
    {0xd6, Kind::kAccented},       {0xd7, Kind::kQuoteMark},     {0xf6, Kind::kAccented},
    {0xf7, Kind::kQuoteMark},      {0xff, Kind::kAccented},      {0x24f, Kind::kExtended},
    {0x2ff, Kind::kOtherLetter},   {0x36f, Kind::kCombining},    {0x3ff, Kind::kGreek},
    {0x40f, Kind::kCyrillicOther}, {0x44f, Kind::kCyrillic},     {0x52f, Kind::kCyrillicOther},
    {0x58f, Kind::kOtherLetter},   {0x5ff, Kind::kHebrew},       {0x670, Kind::kArabic},
    {0x6ff, Kind::kArabicOther},   {0x77f, Kind::kArabic},       {0x8ff, Kind::kOtherLetter},
    {0xdff, Kind::kIndic},         {0xe7f, Kind::kThai},         {0x1dff, Kind::kOtherLetter},
    {0x1eff, Kind::kVietnamese},   {0x1fff, Kind::kGreek},       {0x200f, Kind::kSymbol},
    {0x2027, Kind::kQuoteMark},    {0x202f, Kind::kSymbol},      {0x205e, Kind::kQuoteMark},
    {0x2fff, Kind::kSymbol},       {0x3000, Kind::kBlank},       {0x3004, Kind::kWideMark},
    {0x3007, Kind::kHan},          {0x3040, Kind::kWideMark},    {0x30ff, Kind::kKana},
    {0x33ff, Kind::kOtherLetter},  {0x9fff, Kind::kHan},         {0xabff, Kind::kOtherLetter},
    {0xd7a3, Kind::kHangul},       {0xf8ff, Kind::kOtherLetter}, {0xfaff, Kind::kHan},
    {0xfb4f, Kind::kOtherLetter},  {0xfdff, Kind::kArabic},      {0xfe0f, Kind::kSymbol},
    {0xfe6f, Kind::kWideMark},     {0xfefe, Kind::kArabic},      {0xffef, Kind::kWideMark},
    {0x1efff, Kind::kOtherLetter},
}};

Kind KindOfAscii(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return Kind::kLatin;
  if (c >= '0' && c <= '9') return Kind::kDigit;
  if (c == '\n' || c == '\r') return Kind::kLineBreak;
  return static_cast<unsigned char>(c) <= ' ' || c == 0x7f ? Kind::kBlank : Kind::kMark;
}

Kind KindOf(std::uint32_t character) {
  if (character < 0x80) return KindOfAscii(static_cast<char>(character));
  constexpr std::uint32_t kHanPlanes = 0x20000;
  if (character >= kHanPlanes) return Kind::kHan;
  const auto block = std::find_if(kBlocks.begin(), kBlocks.end(), [=](const Block& b) { return character <= b.last; });
  return block == kBlocks.end() ? Kind::kEmoji : block->kind;
}

/// Kinds that form one run together.
Kind RunKind(Kind kind) {
  switch (kind) {
    case Kind::kAccented:
    case Kind::kExtended:
    case Kind::kVietnamese:
    case Kind::kCombining:
      return Kind::kLatin;
    case Kind::kCyrillicOther:
      return Kind::kCyrillic;
    case Kind::kArabicOther:
      return Kind::kArabic;
    default:
      return kind;
  }
}

struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 1;
};

/// The character that `text` begins with; a byte that begins none stands for itself.
Character FirstOf(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t lead = byte(0);
  const std::size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (length == 1 || length > text.size()) return {lead, 1};
  std::uint32_t code = lead & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return {lead, 1};
    code = code << 6U | (byte(i) & 0x3fU);
  }
  return {code, length};
}

struct Run {
  Kind kind = Kind::kBlank;
  std::string_view text{};
  int characters = 0;
  double characters_price = 0;  // of its characters one by one
  bool plain = true;            // ASCII only
};

std::vector<Run> RunsOf(std::string_view text) {
  std::vector<Run> runs;
  for (std::size_t at = 0; at < text.size();) {
    const Character character = FirstOf(text.substr(at));
    const Kind kind = KindOf(character.code);
    if (runs.empty() || runs.back().kind != RunKind(kind)) runs.push_back({RunKind(kind), text.substr(at, 0)});
    Run& run = runs.back();
    run.text = std::string_view(run.text.data(), run.text.size() + character.bytes);
    run.characters += 1;
    run.characters_price += PerCharacter(kind);
    run.plain = run.plain && character.code < 0x80;
    at += character.bytes;
  }
  return runs;
}

// The commonest words of English, and those of other languages in Latin letters that are not English words too.
constexpr std::array<std::string_view, 92> kEnglish = {
    "I",    "about", "all",   "an",   "and",  "are",   "as",   "at",   "be",    "been", "but",  "by",  "call",  "can",
    "come", "could", "day",   "did",  "do",   "down",  "each", "find", "first", "for",  "from", "get", "go",    "had",
    "has",  "have",  "he",    "her",  "him",  "his",   "how",  "if",   "in",    "into", "is",   "it",  "its",   "like",
    "long", "look",  "made",  "make", "many", "may",   "more", "my",   "no",    "not",  "now",  "of",  "on",    "one",
    "or",   "other", "out",   "part", "said", "see",   "she",  "so",   "some",  "than", "that", "the", "their", "them",
    "then", "there", "these", "they", "this", "time",  "to",   "two",  "up",    "was",  "way",  "we",  "were",  "what",
    "when", "which", "who",   "will", "with", "would", "you",  "your"};

constexpr std::array<std::string_view, 130> kOther = {
    "aan",   "ao",   "att",   "au",   "auch", "auf",    "aux",  "av",  "avec", "bij",  "bir",   "bu",   "ce",
    "cette", "che",  "com",   "como", "con",  "cu",     "da",   "dan", "dans", "dari", "das",   "dat",  "de",
    "dei",   "del",  "della", "dem",  "den",  "dengan", "der",  "des", "det",  "deze", "di",    "dos",  "du",
    "een",   "ei",   "ein",   "eine", "el",   "elle",   "em",   "en",  "es",   "est",  "et",    "gli",  "het",
    "i",     "ikke", "il",    "im",   "ini",  "inte",   "ist",  "itu", "ja",   "je",   "jest",  "kann", "la",
    "las",   "le",   "les",   "lo",   "los",  "met",    "mit",  "na",  "ne",   "nel",  "nicht", "nie",  "niet",
    "non",   "nous", "nu",    "o",    "och",  "oder",   "og",   "op",  "os",   "pada", "para",  "pas",  "per",
    "por",   "pour", "que",   "qui",  "se",   "si",     "sich", "sie", "som",  "son",  "sono",  "sont", "su",
    "sur",   "te",   "tidak", "til",  "um",   "uma",    "un",   "una", "und",  "une",  "untuk", "va",   "van",
    "ve",    "von",  "voor",  "vous", "w",    "werden", "wird", "y",   "yang", "z",    "za",    "zijn", "zu"};

std::string LowerCase(std::string_view word) {
  std::string lower(word);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

template <std::size_t kSize>
bool Holds(const std::array<std::string_view, kSize>& sorted, std::string_view word) {
  return std::binary_search(sorted.begin(), sorted.end(), word);
}

/// How much of the words in Latin letters is not English, 0 … 1. In running text three words of ten have an accent or
/// are among the commonest; a text that shows neither is taken for English, or code.
double ShareOfOtherLanguages(const std::vector<Run>& runs) {
  constexpr double kTellingShare = 0.3;
  constexpr double kEnglishAgainst = 0.5;
  double words = 0;
  double telling = 0;
  for (const Run& run : runs) {
    if (run.kind != Kind::kLatin) continue;
    const std::string word = run.text == "I" ? "I" : LowerCase(run.text);  // many languages have a word "i"
    words += 1;
    telling += !run.plain || Holds(kOther, word) ? 1 : 0;
    telling -= Holds(kEnglish, word) ? kEnglishAgainst : 0;
  }
  return words == 0 ? 0 : std::clamp(telling / (kTellingShare * words), 0.0, 1.0);
}

double LatinWord(const Run& run, double other) {
  int capitals = 0;
  for (std::size_t i = 1; i < run.text.size(); ++i) capitals += run.text[i] >= 'A' && run.text[i] <= 'Z' ? 1 : 0;
  const double english = kEnglishWord + kEnglishLongLetter * std::max(0, run.characters - 6) + kInnerCapital * capitals;
  const double elsewhere = kOtherWord + kOtherWordLetter * std::max(0, run.characters - 2);
  return std::lerp(english, elsewhere, other);
}

double Price(const Run& run, bool before_word, double other) {
  switch (run.kind) {
    case Kind::kLatin:
      return run.characters_price + LatinWord(run, other);
    case Kind::kCyrillic:
      return run.characters_price + kCyrillicWord + kCyrillicLetter * std::max(0, run.characters - 3);
    case Kind::kArabic:
      return run.characters_price + kArabicWord + kArabicLetter * run.characters;
    case Kind::kHangul:
      return kHangulWord + kHangulSyllable * run.characters;
    case Kind::kMark:
      return (before_word ? kMarkJoiningWord : kMarkAlone) + kFurtherMark * (run.characters - 1);
    case Kind::kLineBreak:
      return kLineBreaks;
    case Kind::kBlank:
      return run.characters > 1 ? kIndent : 0;
    default:
      return run.characters_price;
  }
}

}  // namespace

double EstimateTokens(std::string_view text) {
  const std::vector<Run> runs = RunsOf(text);
  const double other = ShareOfOtherLanguages(runs);
  double tokens = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    tokens += Price(runs[i], i + 1 < runs.size() && runs[i + 1].kind == Kind::kLatin, other);
  }
  return runs.empty() ? 0 : std::max(tokens, 1.0);
}

}  // namespace dflop
