// dflop/cost-trace/1: what is written comes back, and nothing crooked gets in.
#include "traces/cost_trace.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/random.hpp"

namespace dflop {
namespace {

/// Tests run beside each other.
std::string Path(const std::string& name) {
  const std::string test = testing::UnitTest::GetInstance()->current_test_info()->name();
  return testing::TempDir() + "cost_trace_" + test + "_" + name + ".json";
}

constexpr char kRow[] =
    R"({"op":"gemm","shape":{"m":16,"n":128,"k":256},"dtype":"bf16","direction":"forward","median_s":1e-5})";

std::string Document(const std::string& row) {
  return R"({"schema":"dflop/cost-trace/1","device":"d","software":{},"method":{},"rows":[)" + row + "]}";
}

std::string Complaint(const std::string& text) {
  const std::string path = Path("bad");
  WriteFile(path, text);
  try {
    ReadCostTrace(path);
  } catch (const InputError& error) {
    EXPECT_EQ(error.file(), path);
    return error.pointer() + ": " + std::string(error.what()).substr(path.size() + 1 + error.pointer().size() + 2);
  }
  return "";
}

std::string Replaced(const std::string& from, const std::string& to) {
  std::string row = kRow;
  row.replace(row.find(from), from.size(), to);
  return Document(row);
}

TEST(CostTrace, RandomTracesComeBackAsTheyWereWritten) {
  const std::vector<std::string> operations = {"gemm", "attention_causal", "attention_full",   "norm",   "copy",
                                               "loss", "optimizer",        "attention_packed", "launch", "all_to_all"};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    RandomStream random(seed, "cost trace");
    CostTrace trace;
    trace.device = "some \"gpu\"";
    trace.software["driver"] = "555.1";
    trace.method["repeats"] = 20;
    for (int i = 0; i < 50; ++i) {
      CostRow row;
      row.op = operations[random.Below(operations.size())];
      for (const std::string& name : ShapeDimensions(row.op)) {
        row.shape.emplace_back(name, static_cast<double>(1 + random.Below(1'000'000)));
      }
      for (std::uint64_t n = IsPacked(row.op) ? 1 + random.Below(9) : 0; n > 0; --n) {
        row.lengths.push_back(static_cast<std::int64_t>(1 + random.Below(10'000)));
      }
      row.median = Seconds(random.LogNormal(1e-4, 3));
      row.spread = Seconds(random.Below(2) == 0 ? 0.0 : random.Uniform());
      row.count = static_cast<int>(random.Below(100));
      row.kernel = random.Below(2) == 0 ? "" : "cublas";
      trace.rows.push_back(row);
    }
    WriteCostTrace(Path("round"), trace);
    const CostTrace back = ReadCostTrace(Path("round"));
    EXPECT_EQ(back.device, trace.device);
    EXPECT_EQ(back.software, trace.software);
    EXPECT_EQ(back.method, trace.method);
    ASSERT_EQ(back.rows.size(), trace.rows.size());
    for (std::size_t i = 0; i < trace.rows.size(); ++i) {
      EXPECT_EQ(back.rows[i].op, trace.rows[i].op);
      EXPECT_EQ(back.rows[i].shape, trace.rows[i].shape);
      EXPECT_EQ(back.rows[i].lengths, trace.rows[i].lengths);
      EXPECT_EQ(back.rows[i].kernel, trace.rows[i].kernel);
      EXPECT_EQ(back.rows[i].median, trace.rows[i].median);
      EXPECT_EQ(back.rows[i].spread, trace.rows[i].spread);
      EXPECT_EQ(back.rows[i].count, trace.rows[i].count);
    }
  }
}

TEST(CostTrace, EveryComplaintPointsAtTheCulprit) {
  EXPECT_EQ(Complaint(Document(kRow)), "");
  EXPECT_EQ(Complaint(Replaced("1e-5", "-1e-5")), "/rows/0/median_s: is -1e-05, allowed is from 1e-09 to 86400");
  EXPECT_EQ(Complaint(Replaced("1e-5", "0")), "/rows/0/median_s: is 0, allowed is from 1e-09 to 86400");
  EXPECT_EQ(Complaint(Replaced("16", "0")), "/rows/0/shape/m: is 0, allowed is from 1 to 1000000000");
  EXPECT_EQ(Complaint(Replaced("16", "16.5")),
            "/rows/0/shape/m: is 16.5, a whole number from 1 to 1000000000 is wanted");
  EXPECT_EQ(Complaint(Replaced("16", "\"16\"")).substr(0, 28), "/rows/0/shape/m: is a string");
  EXPECT_EQ(Complaint(Replaced("\"k\":256", "\"l\":256")), "/rows/0/shape: lacks the key \"k\"");
  EXPECT_EQ(Complaint(Replaced("\"k\":256", "\"k\":256,\"batch\":1")).substr(0, 41),
            "/rows/0/shape/batch: is an unknown key, a");
  EXPECT_EQ(Complaint(Replaced("forward", "backward")),
            "/rows/0/direction: is \"backward\", allowed: forward, input_gradient, weight_gradient");
  EXPECT_EQ(Complaint(Replaced("gemm", "gem")).substr(0, 28), "/rows/0/op: is \"gem\", allowe");
  EXPECT_EQ(Complaint(Replaced("\"median_s\"", "\"median_ms\"")).substr(0, 31), "/rows/0/median_ms: is an unknow");
  EXPECT_EQ(Complaint(Document("")), "/rows: is empty, at least one measured kernel is wanted");
}

TEST(CostTrace, LayersHaveFlagsAndLaunchesNoShape) {
  const std::string rest = R"(,"dtype":"bf16","direction":"forward","median_s":1e-5})";
  EXPECT_EQ(Complaint(Document(R"({"op":"launch","shape":{})" + rest)), "");
  const auto layer = [&](const std::string& gated) {
    return Document(R"({"op":"layer","shape":{"tokens":8,"seq":4,"hidden":2,"ffn_hidden":2,"heads":1,"kv_heads":1,)"
                    R"("causal":1,"gated":)" +
                    gated + "}" + rest);
  };
  EXPECT_EQ(Complaint(layer("0")), "");
  EXPECT_EQ(Complaint(layer("2")), "/rows/0/shape/gated: is 2, allowed is from 0 to 1");
}

TEST(CostTrace, PacksHaveLengthsAndNothingElseHas) {
  const auto pack = [](const std::string& op, const std::string& lengths) {
    return Document(R"({"op":")" + op + R"(","shape":{"heads":4,"kv_heads":2,"head_dim":64)" + lengths +
                    R"(},"dtype":"bf16","direction":"backward","median_s":1e-5})");
  };
  EXPECT_EQ(Complaint(pack("attention_packed", R"(,"lengths":[700,1,64])")), "");
  EXPECT_EQ(Complaint(pack("attention_packed", "")), "/rows/0/shape: lacks the key \"lengths\"");
  EXPECT_EQ(Complaint(pack("attention_packed", R"(,"lengths":[])")),
            "/rows/0/shape/lengths: holds 0 lengths, allowed are 1 to 65536");
  EXPECT_EQ(Complaint(pack("attention_packed", R"(,"lengths":[5,0])")),
            "/rows/0/shape/lengths/1: is 0, allowed is from 1 to 1000000000");
  EXPECT_EQ(Complaint(pack("attention_packed", R"(,"lengths":7)")).substr(0, 22), "/rows/0/shape/lengths:");
  EXPECT_EQ(Complaint(pack("attention_causal", R"(,"batch":1,"seq":8,"lengths":[8])")).substr(0, 40),
            "/rows/0/shape/lengths: is an unknown key");
}

TEST(CostTrace, TruncatedTextNanAndOtherSchemasAreRefused) {
  const std::string whole = Document(kRow);
  for (const std::size_t length : {std::size_t{0}, whole.size() / 3, whole.size() / 2, whole.size() - 1}) {
    EXPECT_NE(Complaint(whole.substr(0, length)), "") << length;
  }
  EXPECT_NE(Complaint(Replaced("1e-5", "NaN")), "");
  EXPECT_NE(Complaint(Replaced("1e-5", "1e999")), "");
  std::string other = whole;
  other.replace(other.find("trace/1"), 7, "trace/2");
  EXPECT_EQ(Complaint(other).substr(0, 7), "/schema");
  EXPECT_THROW(ReadCostTrace(Path("absent")), InputError);
}

}  // namespace
}  // namespace dflop
