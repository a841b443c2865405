// A document written as it is made reads like one written whole, and one that is never finished is not there.
#include "base/json_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

TEST(JsonFile, HasTheTextOfTheWholeDocument) {
  const TemporaryFolder folder;
  Json whole;
  whole["a \"b\""] = 0.1;
  whole["empty"] = Json::EmptyArray();
  whole["list"] = Json::EmptyArray();
  JsonFile file(folder / "pieces.json");
  file.Member("a \"b\"", 0.1);
  file.OpenArray("empty");
  file.CloseArray();
  file.OpenArray("list");
  for (int i = 0; i < 3; ++i) {
    Json element;
    element["i"] = i;
    whole["list"].push_back(element);
    file.Element(element);
  }
  file.CloseArray();
  whole["last"] = Json();
  file.Member("last", Json());
  EXPECT_FALSE(std::filesystem::exists(folder / "pieces.json")) << "a reader sees it whole or not at all";
  file.Close();
  WriteJsonFile(folder / "whole.json", whole, 0);
  EXPECT_EQ(ReadFile(folder / "pieces.json"), ReadFile(folder / "whole.json"));
}

TEST(JsonFile, WithoutItsEndLeavesNothingBehind) {
  const TemporaryFolder folder;
  WriteFile(folder / "old.json", "{}\n");
  {
    JsonFile file(folder / "old.json");
    file.OpenArray("list");
    file.Element(1);
  }
  EXPECT_EQ(ReadFile(folder / "old.json"), "{}\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(JsonFile, SaysWhichFileCannotBeWritten) {
  const TemporaryFolder folder;
  WriteFile(folder / "plain", "");
  EXPECT_THROW(JsonFile(folder / "plain/inside.json"), RunError);
  std::filesystem::create_directory(folder / "taken");
  WriteFile(folder / "taken/full", "");
  JsonFile file(folder / "taken");
  EXPECT_THROW(file.Close(), RunError);
  EXPECT_TRUE(std::filesystem::exists(folder / "taken/full"));
}

}  // namespace
}  // namespace dflop
