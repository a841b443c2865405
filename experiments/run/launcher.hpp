// Which part of the work is ours when a launcher (mpirun, srun) started this program several times.
#pragma once

namespace dflop {

struct Rank {
  int rank = 0;
  int size = 1;
};

/// From the environment that Open MPI, MPICH (PMI) or Slurm sets; alone otherwise. No MPI library is involved.
Rank RankFromEnvironment();

}  // namespace dflop
