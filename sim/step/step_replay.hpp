// Makespan of a step whose buckets change, without rebuilding its graph: what a search asks thousands of times.
//
// Which operations there are and who waits for whom depends on layout, orders and microbatch count alone; buckets
// decide durations. So the graph is built once, a change of order moves durations from one place to another, a change
// of contents prices the columns it touches (sim/step/column_pricer.hpp), and times are swept from the first operation
// on that changed. The makespan is SimulateStep's with the replay engine.
#pragma once

#include <memory>
#include <vector>

#include "base/index.hpp"
#include "sim/engine/longest_path.hpp"
#include "sim/plan/device_order.hpp"
#include "sim/step/column_pricer.hpp"

namespace dflop {

/// What stands in one place of the step: buckets with their price.
struct Column {
  ColumnBuckets buckets;
  std::vector<Seconds> durations;
};

class StepReplay {
 public:
  /// Everything but the buckets outlives the replay. Not for plans whose encoders have buckets of their own.
  StepReplay(const CostModel& cost, const Layout& layout, const std::vector<DeviceOrder>& orders,
             const std::vector<SampleShape>& batch, const Buckets& buckets, const AdjustCosts& adjust = {});

  /// Places are numbered replica by replica, each its microbatches in turn; or the microbatches alone, where a column
  /// spans all replicas.
  int places() const { return static_cast<int>(columns_.size()); }
  int PlaceOf(int replica, int microbatch) const {
    return layout_.joins() ? microbatch : replica * layout_.microbatches + microbatch;
  }
  int ReplicaOf(int place) const { return layout_.joins() ? 0 : place / layout_.microbatches; }
  const std::shared_ptr<const Column>& At(int place) const { return columns_[Index(place)]; }
  Buckets buckets() const;
  Seconds makespan() const { return path_.makespan(); }

  /// A column to place on `replica`.
  std::shared_ptr<const Column> Price(int replica, ColumnBuckets buckets) const;

  struct Change {
    int place;
    std::shared_ptr<const Column> column;  ///< priced for the replica of the place
  };
  /// The makespan with these changes.
  Seconds Apply(const std::vector<Change>& changes);
  /// Takes the last Apply back; once per Apply.
  void Undo();

  struct Passed : Operation {
    Seconds duration{0};
  };
  /// What the end of the step waited for, first to last.
  std::vector<Passed> CriticalPath() const;

 private:
  /// Which durations of a column are an operation's: one, or both halves of a backward.
  struct Pieces {
    int one = 0;
    int other = -1;
  };
  void SortOperations();
  std::vector<Pieces> PiecesOf(const std::vector<int>& operations) const;
  void MakeColumns(const Buckets& buckets);
  void SetDurations(int place);
  void SetInHalves(const std::vector<Seconds>& durations, const std::vector<int>& operations,
                   const std::vector<Pieces>& pieces);

  const Layout& layout_;
  ColumnPricer pricer_;
  OperationGraph graph_;
  LongestPath path_;
  std::vector<std::vector<int>> operations_;  ///< by place, as SortColumn orders them
  std::vector<std::vector<Pieces>> pieces_;  ///< [place][operation], where columns are in halves; else the n-th of each
  std::vector<std::shared_ptr<const Column>> columns_;
  std::vector<Change> undo_;
};

}  // namespace dflop
