// Replicas that run the same at the same time: one of them stands for all.
#pragma once

#include <span>
#include <vector>

#include "sim/graph/operation_graph.hpp"
#include "sim/plan/batch_plan.hpp"
#include "sim/plan/job.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

struct ReplicaClass {
  std::vector<int> replicas;  ///< in rising order; the first stands for all

  int first() const { return replicas.front(); }
  int count() const { return static_cast<int>(replicas.size()); }
};

/// In the order of their first replicas. Equal are replicas that hold the same parts in the same order of devices, have
/// the same sequences in every microbatch, and whose messages between stages take the same time. Every replica is a
/// class of its own where replicas send each other messages: with encoders on devices of their own, or exchanged tiles.
/// Of two directions whole rows are equal, as one direction alone is not what a device runs: a class is those replicas
/// of one direction whose rows are equal, so that one row stands for the rest.
std::vector<ReplicaClass> ReplicaClassesOf(const CostModel& cost, const Layout& layout, const StepWork& work);

/// [replica of the LLM]: how many replicas it stands for, 0: another one stands for it. Empty for no classes, where
/// everybody stands for himself.
std::vector<int> CopiesByReplica(std::span<const ReplicaClass> classes, const Layout& layout);

/// Operations that the graph would have if every replica were told apart.
double OperationsToldApart(const OperationGraph& graph, const Layout& layout);

/// The classes where one replica of each can stand for the rest, as far as their microbatches go: some are equal and
/// those run alike. None otherwise.
std::vector<ReplicaClass> ReplicasToFold(const Job& job, const StepWork& work);

/// Those of which all replicas, or rows of two directions, are equal.
inline bool AllAlike(std::span<const ReplicaClass> classes, const Layout& layout) {
  return classes.size() == static_cast<std::size_t>(layout.directions);
}

/// Replicas whose tokens meet in the same experts, because these fold over more ranks than a replica's stage has.
int ReplicasOfExperts(const ModulePart& part);

/// Replicas of a homogeneous pipeline meet within the step, not at its end alone: for parameters, for gradients of
/// every microbatch, in experts.
bool MeetWithinStep(const CostModel& cost, const Layout& layout);

/// Equal replicas stay equal where they meet within the step: they do not, or all are equal and no shard group differs
/// from another.
bool MayMeetFolded(std::span<const ReplicaClass> classes, const CostModel& cost, const Layout& layout);

/// Replicas that are alike meet each other on the links of a fabric that is not full, each with others.
inline bool SharesFabric(const ClusterSpec& cluster) { return cluster.fabric() != nullptr; }

/// Whether the replicas of every class run their microbatches in the same order.
bool RunAlike(std::span<const ReplicaClass> classes, const Layout& layout, const std::vector<DeviceOrder>& orders);

/// Whether equal replicas stay equal, to each other and to what one of them does alone, where messages share links:
/// all are of one class, no two share a NIC, what one shares within itself all do, and every stage's groups fill their
/// nodes alike, so that a collective over them looks the same from each.
bool MayFoldUnderContention(std::span<const ReplicaClass> classes, const ClusterSpec& cluster, const Layout& layout);

}  // namespace dflop
