// Names by hand: what stays, what becomes a hyphen, what gets a number.
#include "base/slug.hpp"

#include <gtest/gtest.h>

namespace dflop {
namespace {

TEST(Slug, HoldsOnlyWhatAFileNameMay) {
  EXPECT_EQ(Slug("replicas, random", "x"), "replicas-random");
  EXPECT_EQ(Slug("../../a b/ü.", "x"), "..-..-a-b");
  EXPECT_EQ(Slug("ü", "policy"), "policy");
  EXPECT_EQ(Slug(std::string(100, 'a'), "x"), std::string(80, 'a'));
}

TEST(UniqueSlugs, NamesThatDifferInSignsOnlyGetNumbers) {
  UniqueSlugs slugs;
  EXPECT_EQ(slugs.New("a b", "x"), "a-b");
  EXPECT_EQ(slugs.New("a, b", "x"), "a-b-2");
  EXPECT_EQ(slugs.New("a/b", "x"), "a-b-3");
}

}  // namespace
}  // namespace dflop
