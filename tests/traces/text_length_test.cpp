// Estimated text lengths against a real vocabulary: token counts of Qwen's (151,643 byte pairs), taken apart from this
// code.
#include "traces/text_length.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace dflop {
namespace {

struct CountedText {
  const char* language;
  const char* text;
  int tokens;
};
const std::vector<CountedText> kTexts = {
    {"English",
     "A woman in a red coat is waiting at the bus stop while two children play with a small dog. The street is wet.",
     26},
    {"questions", "What colour is the car? How many people can you see in the picture?", 16},
    {"Chinese", "一位穿红色外套的女士在公共汽车站等车，两个孩子正在和一只小狗玩耍。街道是湿的。", 26},
    {"Japanese", "赤いコートを着た女性がバス停で待っていて、二人の子供が小さな犬と遊んでいます。道は濡れています。",
     33},
    {"Korean", "빨간 코트를 입은 여자가 버스 정류장에서 기다리고 있고 두 아이가 작은 개와 놀고 있습니다.", 33},
    {"Russian", "Женщина в красном пальто ждёт автобус на остановке, а двое детей играют с маленькой собакой.", 36},
    {"Arabic", "امرأة ترتدي معطفا أحمر تنتظر في محطة الحافلات بينما يلعب طفلان مع كلب صغير.", 30},
    {"Hebrew", "אישה במעיל אדום מחכה בתחנת האוטובוס ושני ילדים משחקים עם כלב קטן.", 25},
    {"Hindi", "लाल कोट पहने एक महिला बस स्टॉप पर इंतज़ार कर रही है और दो बच्चे एक छोटे कुत्ते के साथ खेल रहे हैं।", 91},
    {"Thai", "ผู้หญิงใส่เสื้อโค้ทสีแดงกำลังรอรถเมล์ที่ป้าย และเด็กสองคนเล่นกับสุนัขตัวเล็ก", 46},
    {"Greek", "Μια γυναίκα με κόκκινο παλτό περιμένει στη στάση του λεωφορείου.", 53},
    {"French",
     "Une femme en manteau rouge attend à l'arrêt de bus pendant que deux enfants jouent avec un petit chien.", 26},
    {"German",
     "Eine Frau in einem roten Mantel wartet an der Haltestelle, während zwei Kinder mit einem kleinen Hund spielen.",
     25},
    {"Spanish",
     "Una mujer con un abrigo rojo espera en la parada del autobús mientras dos niños juegan con un perro pequeño.",
     28},
    {"Vietnamese",
     "Một người phụ nữ mặc áo khoác đỏ đang đợi ở trạm xe buýt và hai đứa trẻ đang chơi với một con chó nhỏ.", 30},
    {"code", "for (int i = 0; i < count; ++i) {\n  total += values[i] * weights[i];\n}\nreturn total / count;\n", 32},
    {"digits", "3.14159 26535 89793, 2024-05-17, +49 30 123456", 45},
    {"emoji", "Great trip! 😀🎉🚗 We saw dogs 🐶 and cats 🐱.", 18},
    {"mixed", "请把这段话翻译成 English: 今天天气很好, let's go outside。", 18},
};

TEST(TextLength, EstimatesAreNearARealVocabularyInEveryScript) {
  double counted = 0;
  double estimated = 0;
  for (const CountedText& text : kTexts) {
    const double tokens = EstimateTokens(text.text);
    EXPECT_NEAR(tokens, text.tokens, 0.25 * text.tokens) << text.language;
    counted += text.tokens;
    estimated += tokens;
  }
  EXPECT_NEAR(estimated, counted, 0.05 * counted);
}

// By the vocabulary's own rule: a common word, a digit, a mark, a line break are one token each.
TEST(TextLength, WhatTheVocabularyFixesIsExact) {
  EXPECT_EQ(EstimateTokens("What is this?"), 4);
  EXPECT_EQ(EstimateTokens("A cat."), 3);
  EXPECT_EQ(EstimateTokens("1234567890"), 10);
  EXPECT_EQ(EstimateTokens("in 2024"), 5);
  EXPECT_EQ(EstimateTokens("a\n\nb"), 3);
  EXPECT_EQ(EstimateTokens("。"), 1);
  EXPECT_EQ(EstimateTokens(""), 0);
}

TEST(TextLength, TextWithoutSpacesIsNoShorterThanItsCharactersSay) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "车站的月台";
  EXPECT_GT(EstimateTokens(text), 2500);
  EXPECT_LT(EstimateTokens(text), 5000);
}

TEST(TextLength, BrokenUtf8IsCountedAndNotReadBeyond) {
  EXPECT_GT(EstimateTokens("\xe4\xb8"), 0);
  EXPECT_GT(EstimateTokens("\xff\xfe\xff"), 0);
  EXPECT_GT(EstimateTokens("a\xf0"), 0);
  EXPECT_GT(EstimateTokens("\x80\x80"), 0);
}

TEST(TextLength, GrowsWithTheText) {
  std::string text;
  double before = 0;
  for (int i = 0; i < 50; ++i) {
    text += "A dog 12 跑, ";
    EXPECT_GT(EstimateTokens(text), before);
    before = EstimateTokens(text);
  }
}

TEST(TextLength, TheEnglishPronounIsEnglish) {
  EXPECT_EQ(EstimateTokens("I understand mathematics"), EstimateTokens("We understand mathematics"));
}

}  // namespace
}  // namespace dflop
