// Claims on the rest of base/: quantities, hashes, files and errors.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <concepts>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/sha256.hpp"
#include "base/units.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

// Units: what must compile, with its type and value, and what must not.
template <typename A, typename B>
concept Addable = requires(A a, B b) {
  a + b;
};
template <typename A, typename B>
concept Comparable = requires(A a, B b) {
  a < b;
};

static_assert(std::same_as<decltype(Bytes(1) / BytesPerSecond(1)), Seconds>);
static_assert(std::same_as<decltype(FlopsPerSecond(1) * Seconds(1)), Flops>);
static_assert(std::same_as<decltype(Bytes(1) / Seconds(1)), BytesPerSecond>);
static_assert(std::same_as<decltype(Seconds(1) / Seconds(1)), double>);
static_assert(std::same_as<decltype(BytesPerSecond(1) * (Seconds(1) / Bytes(1))), double>);
static_assert(Addable<Seconds, Seconds> && !Addable<Seconds, Bytes> && !Addable<Seconds, double>);
static_assert(Comparable<Flops, Flops> && !Comparable<Flops, Bytes> && !Comparable<Flops, double>);
static_assert(!std::convertible_to<double, Seconds> && !std::convertible_to<Seconds, double>);
static_assert(sizeof(Seconds) == sizeof(double), "a quantity costs nothing");
static_assert((Bytes(6) / BytesPerSecond(2)).value() == 3);
static_assert((2 * Seconds(3) - Seconds(1) * 0.5 + Seconds(4) / 2).value() == 7.5);

TEST(Units, CompoundAssignmentsDoAsPlainNumbers) {
  Seconds time(8);
  time += Seconds(2);
  time -= Seconds(4);
  time *= 3;
  time /= 9;
  EXPECT_EQ(time, Seconds(2));
  EXPECT_EQ(Bytes(), Bytes(0));
}

// FIPS 180-4 examples and the empty message.
TEST(Sha256, GivesTheVectorsOfTheStandard) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesHashAsTheWholeAtEveryCut) {
  std::string text;
  for (int i = 0; i < 150; ++i) text += static_cast<char>('!' + i % 90);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Sha256 hash;
    hash.Add(std::string_view(text).substr(0, cut));
    hash.Add(std::string_view(text).substr(cut));
    ASSERT_EQ(hash.Hex(), Sha256Hex(text)) << cut;
  }
}

TEST(Sha256, NumbersHashByTheirBits) {
  const auto hash_of = [](double value) {
    Sha256 hash;
    hash.Add(value);
    return hash.Hex();
  };
  EXPECT_NE(hash_of(0.0), hash_of(-0.0));
  EXPECT_NE(hash_of(0.1 + 0.2), hash_of(0.3));
  // 1.0 is 0x3ff0000000000000, little-endian.
  EXPECT_EQ(hash_of(1.0), Sha256Hex(std::string_view("\0\0\0\0\0\0\xf0\x3f", 8)));
}

TEST(Files, WriteMakesFoldersReplacesWholeAndLeavesNothingBeside) {
  const TemporaryFolder folder;
  const std::string path = folder / "a/b/file";
  WriteFile(path, "a long first content");
  WriteFile(path, std::string_view("sho\0rt", 6));
  EXPECT_EQ(ReadFile(path), std::string("sho\0rt", 6));
  const std::filesystem::directory_iterator files(folder / "a/b");
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST(Files, FailedWriteLeavesTheOldFileAndNothingBeside) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "taken/full");  // a folder that is not empty cannot be renamed over
  EXPECT_THROW(WriteFile(folder / "taken", "text"), RunError);
  EXPECT_TRUE(std::filesystem::is_directory(folder / "taken/full"));
  const std::filesystem::directory_iterator files(folder.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST(Files, APipeIsWrittenToAndStaysAPipe) {
  const TemporaryFolder folder;
  const std::string path = folder / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  WriteFile(path, "text");
  std::array<char, 16> text{};
  EXPECT_EQ(read(reader, text.data(), text.size()), 4);
  close(reader);
  EXPECT_STREQ(text.data(), "text");
  EXPECT_TRUE(std::filesystem::is_fifo(path));
}

TEST(Files, UnwritableFolderIsARunErrorThatNamesThePath) {
  const TemporaryFolder folder;
  WriteFile(folder / "file", "");
  try {
    WriteFile(folder / "file/below", "text");
    FAIL() << "wrote below a file";
  } catch (const RunError& error) {
    EXPECT_EQ(std::string(error.what()).find(folder / "file/below"), 0u) << error.what();
  }
}

TEST(Files, MissingFileOrFolderInItsPlaceIsAnInputError) {
  const TemporaryFolder folder;
  EXPECT_THROW(ReadFile(folder / "none"), InputError);
  EXPECT_THROW(ReadFile(folder.path()), InputError);
}

TEST(Errors, InputErrorNamesFileAndPointerWhereThereAreAny) {
  const InputError located("f.json", "/seeds/0", "is wrong");
  EXPECT_STREQ(located.what(), "f.json:/seeds/0: is wrong");
  EXPECT_EQ(located.file(), "f.json");
  EXPECT_EQ(located.pointer(), "/seeds/0");
  EXPECT_STREQ(InputError("no such flag").what(), "no such flag");
}

TEST(Errors, CheckAbortsWithPlaceAndReasonAlsoInReleaseBuilds) {
  DFLOP_CHECK(1 + 1 == 2, "never seen");
  EXPECT_DEATH(DFLOP_CHECK(1 + 1 == 3, "sums fail"), "base_test.cpp:[0-9]+: .*sums fail.*1 \\+ 1 == 3");
}

}  // namespace
}  // namespace dflop
