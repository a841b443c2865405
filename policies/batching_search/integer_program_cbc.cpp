// The integer program by CBC, the branch-and-cut solver of COIN-OR (Debian's coinor-libcbc-dev).
#include <coin/Cbc_C_Interface.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>

#include "base/index.hpp"
#include "policies/batching_search/integer_program.hpp"

namespace dflop {
namespace {

constexpr double kScaledMean = 1000;  ///< CBC's tolerances are absolute, made for numbers of that size

/// CBC prints here and there whatever its log level is, and standard output is ours.
class Silence {
 public:
  Silence() {
    std::fflush(stdout);
    kept_ = dup(STDOUT_FILENO);
    const int nowhere = open("/dev/null", O_WRONLY);  // NOLINT: POSIX declares it so
    if (nowhere < 0) return;
    dup2(nowhere, STDOUT_FILENO);
    close(nowhere);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() {
    std::fflush(stdout);
    if (kept_ < 0) return;
    dup2(kept_, STDOUT_FILENO);
    close(kept_);
  }

 private:
  int kept_ = -1;
};

/// Columns: x_ij at i·B + j, then C. Rows: one per sample, one per dimension and bucket, then one per bucket to fill.
class ProgramColumns {
 public:
  explicit ProgramColumns(const IntegerProgram& program)
      : samples_(static_cast<int>(program.costs.front().size())), program_(program) {
    double most = 0;
    for (const auto& dimension : program.costs) {
      double sum = 0;
      for (const double cost : dimension) sum += cost;
      most = std::max(most, sum / program.buckets);
    }
    scale_ = most > 0 ? kScaledMean / most : 1;
    for (int i = 0; i < samples_; ++i) {
      for (int j = 0; j < program.buckets; ++j) AddChoice(i, j);
    }
    BeginColumn();
    for (int row = samples_; row < samples_ + capacity_rows(); ++row) Add(row, -1);
    BeginColumn();
  }

  void Load(Cbc_Model* model) const {
    const auto count = Index(columns());
    std::vector<double> lower(count, 0.0);
    std::vector<double> upper(count, 1.0);
    std::vector<double> objective(count, 0.0);
    upper.back() = std::numeric_limits<double>::max();
    objective.back() = 1;
    std::vector<double> least(Index(samples_), 1.0);
    std::vector<double> most(Index(samples_), 1.0);
    least.resize(least.size() + Index(capacity_rows()), -std::numeric_limits<double>::max());
    most.resize(least.size(), 0.0);
    if (program_.fill_all) {
      least.resize(least.size() + Index(program_.buckets), 1.0);
      most.resize(least.size(), static_cast<double>(samples_));
    }
    Cbc_loadProblem(model, columns(), static_cast<int>(least.size()), starts_.data(), rows_.data(), values_.data(),
                    lower.data(), upper.data(), objective.data(), least.data(), most.data());
    for (int column = 0; column + 1 < columns(); ++column) Cbc_setInteger(model, column);
  }

  void Start(Cbc_Model* model) const {
    if (program_.start.empty()) return;
    std::vector<double> values(Index(columns()), 0.0);
    for (int j = 0; j < program_.buckets; ++j) {
      for (const int i : program_.start[Index(j)]) values[Index(i * program_.buckets + j)] = 1;
    }
    values.back() = Largest(program_.start) * scale_;
    std::vector<int> indices(values.size());
    for (std::size_t k = 0; k < indices.size(); ++k) indices[k] = static_cast<int>(k);
    Cbc_setMIPStartI(model, columns(), indices.data(), values.data());
  }

  std::vector<std::vector<int>> Read(const double* solution) const {
    std::vector<std::vector<int>> buckets(Index(program_.buckets));
    for (int i = 0; i < samples_; ++i) {
      const double* first = solution + static_cast<std::ptrdiff_t>(i) * program_.buckets;
      buckets[Index(static_cast<int>(std::max_element(first, first + program_.buckets) - first))].push_back(i);
    }
    return buckets;
  }
  double Largest(const std::vector<std::vector<int>>& buckets) const {
    double largest = 0;
    for (const auto& dimension : program_.costs) {
      for (const auto& bucket : buckets) {
        double load = 0;
        for (const int i : bucket) load += dimension[Index(i)];
        largest = std::max(largest, load);
      }
    }
    return largest;
  }
  double scale() const { return scale_; }

 private:
  int columns() const { return samples_ * program_.buckets + 1; }
  int capacity_rows() const { return static_cast<int>(program_.costs.size()) * program_.buckets; }

  void BeginColumn() { starts_.push_back(static_cast<CoinBigIndex>(rows_.size())); }
  void Add(int row, double value) {
    rows_.push_back(row);
    values_.push_back(value);
  }
  void AddChoice(int sample, int bucket) {
    BeginColumn();
    Add(sample, 1);
    int row = samples_ + bucket;
    for (const auto& dimension : program_.costs) {
      Add(row, dimension[Index(sample)] * scale_);
      row += program_.buckets;
    }
    if (program_.fill_all) Add(row, 1);
  }

  int samples_;
  const IntegerProgram& program_;
  double scale_ = 1;
  std::vector<CoinBigIndex> starts_;
  std::vector<int> rows_;
  std::vector<double> values_;
};

}  // namespace

std::string IntegerProgramSolver() { return std::string("CBC ") + Cbc_getVersion(); }

IntegerProgramAnswer SolveIntegerProgram(const IntegerProgram& program, const IntegerProgramLimits& limits) {
  const Silence silence;
  const std::unique_ptr<Cbc_Model, void (*)(Cbc_Model*)> model(Cbc_newModel(), Cbc_deleteModel);
  const ProgramColumns columns(program);
  columns.Load(model.get());
  columns.Start(model.get());
  Cbc_setLogLevel(model.get(), 0);
  Cbc_setParameter(model.get(), "maxNodes", std::to_string(limits.max_nodes).c_str());
  if (limits.time_limit_s) Cbc_setParameter(model.get(), "seconds", std::to_string(*limits.time_limit_s).c_str());
  Cbc_solve(model.get());
  IntegerProgramAnswer answer;
  answer.bound = Cbc_getBestPossibleObjValue(model.get()) / columns.scale();
  const double* solution = Cbc_bestSolution(model.get());
  if (solution == nullptr || Cbc_numberSavedSolutions(model.get()) == 0) return answer;
  answer.buckets = columns.Read(solution);
  answer.largest = columns.Largest(answer.buckets);
  answer.optimal = Cbc_isProvenOptimal(model.get()) != 0;
  if (answer.optimal) answer.bound = answer.largest;
  return answer;
}

}  // namespace dflop
