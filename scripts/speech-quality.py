"""Scores what `scripts/speech-quality` recorded: mean PESQ per codec, direction and loss."""

import os
import sys
from pathlib import Path

import numpy
from pesq import PesqError, pesq

VOICES, SEEDS, LOSSES = (1, 2, 3), (1, 2), (0, 1, 3, 5)


def samples(path):
    return numpy.fromfile(path, dtype="<i2")


def score(reference, degraded, rate, mode):
    """PESQ aligns by itself, but wants as much of one as of the other."""
    length = min(len(reference), len(degraded))
    return pesq(rate, reference[:length], degraded[:length], mode, on_error=PesqError.RAISE_EXCEPTION)


def main(work):
    goal = float(os.environ.get("GOAL", "0"))
    missed = False
    print(f"{'codec':6} {'direction':9} {'mode':4} " + " ".join(f"{loss:>4}%" for loss in LOSSES))
    for codec, rate, modes in (("pcmu", 8000, ["nb"]), ("pcma", 8000, ["nb"]), ("g722", 16000, ["nb", "wb"])):
        references = {voice: samples(work / f"{voice}-{rate}.raw") for voice in VOICES}
        for direction in ("to-phone", "to-room"):
            for mode in modes:
                means = []
                for loss in LOSSES:
                    scores = [
                        score(references[voice], samples(work / f"{codec}-{loss}-{voice}-{seed}-{direction}.raw"), rate, mode)
                        for voice in VOICES
                        for seed in SEEDS
                    ]
                    means.append(sum(scores) / len(scores))
                print(f"{codec:6} {direction:9} {mode:4} " + " ".join(f"{mean:5.2f}" for mean in means), flush=True)
                missed |= mode == "nb" and means[0] < goal
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
