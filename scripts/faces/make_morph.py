#!/usr/bin/python3
"""Make the demo's morph: two travellers' mixtures mixed once more, a face of six people and of nobody.

    scripts/faces/make_morph.py --london ../shared/data/faces/london --models ../shared/models --out cmd/internal/demo/faces

Beside the picture it prints how like either traveller's live picture it is.
"""
import argparse
import os
import sys

import cv2

from garment import dress
from london import Person
from make_faces import TRAVELLERS, WEIGHTS, frame, wall, write_jpeg
from live import grain
from mix import mixture, place
from recognize import Recognizer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "matcher", "train"))
from morph import morphs  # noqa: E402

FIRST, SECOND = 10, 11  # SECOND lends hair and neck
SHARE = 0.7  # of FIRST, who travels on it: then the picture is as like either of them


def main():
    args = argparse.ArgumentParser(description="Make the demo's morph.")
    args.add_argument("--london", required=True)
    args.add_argument("--models", required=True)
    args.add_argument("--out", required=True)
    args = args.parse_args()
    mixed = []
    for number in (SECOND, FIRST):
        people = [Person(args.london, i) for i in TRAVELLERS[number - 1][0]]
        mixed.append(mixture([p.neutral for p in people], [p.landmarks for p in people], WEIGHTS))
    (picture, landmarks, alpha), other = mixed
    spliced = dict(morphs((picture, landmarks), other[:2], SHARE))["splice"]
    spliced, alpha = dress(spliced, alpha, landmarks, (0.24, 0.26, 0.30), seed=77)
    portrait = frame(place(spliced, alpha, wall(222, 214)))
    path = os.path.join(args.out, "morph-01.portrait.jpg")
    write_jpeg(path, grain(portrait, 177, 1.2), 20_000)
    recognizer = Recognizer(args.models)
    template = recognizer.template(cv2.imread(path))
    for number in (FIRST, SECOND):
        live = recognizer.template(cv2.imread(os.path.join(args.out, f"traveller-{number:02d}.live.jpg")))
        print(f"like traveller-{number:02d}: {float(template @ live):.3f}")


if __name__ == "__main__":
    main()
