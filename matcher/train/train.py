#!/usr/bin/python3
"""Train the demo models: a face detector and a recogniser, distilled from teachers on the London set.

    matcher/train/train.py --data ../shared/data/faces/london --teachers ../shared/models --out build/train

One command, which may be cut off and started again: what is in --out is taken up.
About an hour on two idle processors, some minutes where there is a GPU. It writes
limen-detector-demo.onnx, limen-recogniser-demo.onnx, figures.json and entries.yaml.
"""
import argparse
import hashlib
import os

import torch

import detector
import evaluate
import recogniser
from captures import STUDENT
from detector import DETECT
from entries import entries
from nets import AsYuNet, export
from people import Library, split
from scenes import Cast
from state import Progress, write_json


def main():
    args = argparse.ArgumentParser(description="Train limen's demo models.")
    args.add_argument("--data", required=True, help="folder of the Face Research Lab London Set")
    args.add_argument("--teachers", required=True, help="folder of YuNet 2023mar and frr0095")
    args.add_argument("--out", required=True, help="folder for the work and the models")
    args.add_argument("--mixtures", type=int, default=2400, help="mixtures for the recogniser, each also mirrored")
    args.add_argument("--images", type=int, default=157000, help="captures the recogniser sees, at most")
    args.add_argument("--scenes", type=int, default=60000, help="scenes the detector sees, at most")
    args.add_argument("--minutes", type=float, default=30, help="for each of the two networks, at most")
    args.add_argument("--workers", type=int, default=os.cpu_count(), help="processes that make pictures, and threads of a network without a GPU")
    args.add_argument("--batch", type=int, default=48, help="captures the recogniser sees at once; the detector sees a third as many scenes")
    args.add_argument("--only-learn", action="store_true", help="stop before export and evaluation, which OpenCV 4.6 does: on a machine lent for its GPU")
    args = args.parse_args()
    os.makedirs(args.out, exist_ok=True)
    torch.set_num_threads(args.workers)
    progress = Progress()
    at = lambda name: os.path.join(args.out, name)  # noqa: E731

    ids, held = split(args.data)
    write_json(at("split.json"), {"learned": ids, "held_out": held})
    library = Library(args.data, args.teachers, at("people.npz"), args.workers, progress)
    pictures, templates = recogniser.canvases(library, args.teachers, args.out, args.mixtures, args.workers, progress)
    first, learned = recogniser.learn(pictures, templates, args.out, args.images, args.minutes, args.batch, args.workers, progress)
    courses = {"recogniser": learned}
    cast = Cast(library, args.teachers, 1000, 0, args.workers, progress)
    second, courses["detector"] = detector.learn(cast, args.out, args.scenes, args.minutes, args.batch // 3, args.workers, progress)
    if args.only_learn:
        return
    export(first, at("limen-recogniser-demo.onnx"), STUDENT, ["template"])
    export(AsYuNet(second), at("limen-detector-demo.onnx"), DETECT, AsYuNet.names)

    figures = {"courses": courses, "files": {}}
    for name in ("limen-detector-demo.onnx", "limen-recogniser-demo.onnx"):
        with open(at(name), "rb") as f:
            data = f.read()
        figures["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    figures["detector"] = evaluate.detector(library, args.data, args.teachers, args.out, 400, args.workers, progress)
    figures["recogniser"] = evaluate.recogniser(library, args.data, args.teachers, args.out, progress)
    write_json(at("figures.json"), figures)
    with open(at("entries.yaml"), "w", encoding="utf-8") as f:
        f.write(entries(figures))
    print(f"models, figures.json and entries.yaml (for matcher/catalog/manifest.yaml) lie in {args.out}")


if __name__ == "__main__":
    main()
