"""Scores what `scripts/speech-quality` recorded: mean PESQ per codec, direction, loss and what the speech went through."""

import os
import sys
from pathlib import Path

import numpy
from pesq import PesqError, pesq

VOICES, SEEDS, LOSSES = (1, 2, 3), (1, 2), (0, 1, 3, 5)
RATES = {"pcmu": 8000, "pcma": 8000, "g722": 16000}
# What repetitions in real time differ by.
ALIKE = 0.03


def samples(path):
    return numpy.fromfile(path, dtype="<i2")


def score(reference, degraded, rate, mode):
    """PESQ aligns by itself, but wants as much of one as of the other."""
    length = min(len(reference), len(degraded))
    return pesq(rate, reference[:length], degraded[:length], mode, on_error=PesqError.RAISE_EXCEPTION)


def means(work, through, codec, direction, mode):
    """Over voices and seeds, for each loss."""
    rate = RATES[codec]
    references = {voice: samples(work / f"{voice}-{rate}.raw") for voice in VOICES}

    def mean(loss):
        scores = [
            score(references[voice], samples(work / f"{through}-{codec}-{loss}-{voice}-{seed}-{direction}.raw"), rate, mode)
            for voice in VOICES
            for seed in SEEDS
        ]
        return sum(scores) / len(scores)

    return [mean(loss) for loss in LOSSES]


def main(work, codecs, throughs):
    goal = float(os.environ.get("GOAL", "0"))
    missed = False
    print(f"{'codec':6} {'direction':9} {'mode':4} {'through':9} " + " ".join(f"{loss:>4}%" for loss in LOSSES))
    for codec in codecs:
        for mode in ["nb"] if RATES[codec] == 8000 else ["nb", "wb"]:
            for direction in ("to-phone", "to-room"):
                rows = []
                for through in throughs:
                    row = means(work, through, codec, direction, mode)
                    print(f"{codec:6} {direction:9} {mode:4} {through:9} " + " ".join(f"{mean:5.2f}" for mean in row), flush=True)
                    rows.append(row)
                missed |= mode == "nb" and rows[0][0] < goal
                missed |= any(ours < theirs - ALIKE for other in rows[1:] for ours, theirs in zip(rows[0], other))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:]))
