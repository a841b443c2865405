// off: predictions stay as they are.
#include "policies/api/correction.hpp"
#include "policies/api/registry.hpp"

namespace dflop {
namespace {

class NoCorrection final : public Correction {
 public:
  double Factor(int, double) const override { return 1.0; }
  bool tracking() const override { return false; }
  double monitoring_cost() const override { return 0; }
  void Observe(const Observation&) override {}
  Json Report() const override { return {}; }
};

const Registration<Correction> kOff{{"off", "predictions stay as they are", {}},
                                    [](const Parameters&) { return std::make_unique<NoCorrection>(); }};

}  // namespace
}  // namespace dflop
