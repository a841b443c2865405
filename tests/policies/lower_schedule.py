"""A schedule's CSV through torch.distributed.pipelining: read, validated, lowered to sends and receives, run dry.

  lower_schedule.py COMPUTE_ONLY COMPUTE_COMMS COMPUTE_COMMS_FSDP MICROBATCHES

Ends with 0 where the two files of messages are what PyTorch itself makes of the first one.
"""
import csv
import sys

from torch.distributed.pipelining import schedules as pipelining


def read(name):
    with open(name, newline="") as file:  # older versions know no REDUCE_GRAD
        return {
            rank: [pipelining._Action.from_str(cell) for cell in row if not cell.endswith("REDUCE_GRAD")]
            for rank, row in enumerate(csv.reader(file))
        }


compute, comms, fsdp = (read(name) for name in sys.argv[1:4])
stages = 1 + max(action.stage_index for row in compute.values() for action in row)
rank_of = pipelining._validate_schedule(compute, len(compute), stages, int(sys.argv[4]))
lowered = pipelining._add_send_recv({rank: list(row) for rank, row in compute.items()}, rank_of.__getitem__, stages)
assert {r: list(map(str, row)) for r, row in lowered.items()} == {r: list(map(str, row)) for r, row in comms.items()}
pipelining._simulate_comms_compute(comms, rank_of.__getitem__, stages)

for rank, row in compute.items():
    gathered = [str(a) for a in pipelining._add_unshard_reshard(row)]
    ours = [str(a) for a in fsdp[rank] if not any(kind in str(a) for kind in ("SEND", "RECV"))]
    assert gathered == ours, (rank, gathered, ours)
