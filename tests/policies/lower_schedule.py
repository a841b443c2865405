"""Schedules' CSVs through torch.distributed.pipelining: read, validated, lowered to sends and receives, run dry.

  lower_schedule.py FOLDER MICROBATCHES NAME…

of FOLDER/NAME.compute.csv, NAME.comms.csv and NAME.fsdp.csv. Ends with 0 where the two files of messages are what
PyTorch itself makes of the first one, with 77 where there is no PyTorch.
"""
import csv
import sys

try:
    from torch.distributed.pipelining import schedules as pipelining
except ImportError:
    sys.exit(77)


def read(name):
    with open(name, newline="") as file:  # older versions know no REDUCE_GRAD
        return {
            rank: [pipelining._Action.from_str(cell) for cell in row if not cell.endswith("REDUCE_GRAD")]
            for rank, row in enumerate(csv.reader(file))
        }


def in_words(rows):
    return {rank: [str(action) for action in row] for rank, row in rows.items()}


def check(base, microbatches):
    compute, comms, fsdp = (read(f"{base}.{kind}.csv") for kind in ("compute", "comms", "fsdp"))
    stages = 1 + max(action.stage_index for row in compute.values() for action in row)
    rank_of = pipelining._validate_schedule(compute, len(compute), stages, microbatches).__getitem__
    lowered = pipelining._add_send_recv({rank: list(row) for rank, row in compute.items()}, rank_of, stages)
    assert in_words(lowered) == in_words(comms), base
    pipelining._simulate_comms_compute(comms, rank_of, stages)
    for rank, row in in_words(fsdp).items():
        gathered = [str(action) for action in pipelining._add_unshard_reshard(compute[rank])]
        assert gathered == [text for text in row if "SEND" not in text and "RECV" not in text], (base, rank)


for name in sys.argv[3:]:
    check(f"{sys.argv[1]}/{name}", int(sys.argv[2]))
