// csv: the order of a file, as PyTorch's schedules write it (policies/api/schedule_csv.hpp). Whether it is whole, keeps
// to the memory and can end is checked before anything runs, as for every schedule.
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "policies/api/schedule_csv.hpp"

namespace dflop {
namespace {

class CsvSchedule final : public PipelineSchedule {
 public:
  explicit CsvSchedule(ScheduleFile file) : file_(std::move(file)) {}

  /// Of the time of their halves alone. False where there is none.
  bool LetPairsTake(double share) {
    bool found = false;
    for (DeviceOrder& order : file_.orders) {
      std::vector<ScheduledOp> entries(order.begin(), order.end());
      for (ScheduledOp& op : entries) {
        if (op.pair > 0) op.pair = share, found = true;
      }
      order = DeviceOrder(std::move(entries));
    }
    return found;
  }

  int chunks() const override { return file_.chunks; }
  Placement placement(int devices) const override {
    return devices == file_.devices() ? file_.placement : InTurn(devices, file_.chunks);
  }

  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    if (problem.devices != file_.devices() || problem.microbatches != file_.microbatches) {
      throw Infeasible("the file orders " + std::to_string(file_.devices()) + " devices and " +
                       std::to_string(file_.microbatches) + " microbatches, the pipeline has " +
                       std::to_string(problem.devices) + " and " + std::to_string(problem.microbatches));
    }
    return file_.orders;
  }

 private:
  ScheduleFile file_;
};

const Registration<PipelineSchedule> kCsv{
    {"csv",
     "the order of a file, as torch.distributed.pipelining writes it",
     {{.name = "file", .type = Parameter::Other{"file"}, .help = "a schedule's CSV; must be given"},
      {.name = "overlap",
       .type = Parameter::Number{0.5, 1},
       .help = "time of its pairs (OVERLAP_F_B), as a share of both halves alone; by default 1"}}},
    [](const Parameters& parameters) {
      const auto file = parameters.json().Find("file");
      if (!file) {
        parameters.json().Fail(
            "csv wants the file that holds the order: \"file\": \"PATH\", in `dflop schedule show csv` --param "
            "file=PATH");
      }
      const std::string path = file->String();
      auto schedule = std::make_unique<CsvSchedule>(ReadScheduleCsv(ReadFile(path), path));
      if (parameters.Given("overlap") && !schedule->LetPairsTake(parameters.Number("overlap"))) {
        parameters.json().At("overlap").Fail("has no effect: the file has no pairs");
      }
      return schedule;
    }};

}  // namespace
}  // namespace dflop
