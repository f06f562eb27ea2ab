#!/usr/bin/python3
"""Train the demo models: a face detector and a recogniser, distilled from teachers on the London set.

    matcher/train/train.py --data ../shared/data/faces/london --teachers ../shared/models --out build/train

One command, which may be cut off and started again: what is in --out is taken up.
About an hour on two idle processors. It writes limen-detector-demo.onnx,
limen-recogniser-demo.onnx, figures.json and entries.yaml.
"""
import argparse
import hashlib
import os

import torch

import detector
import evaluate
import recogniser
from captures import STUDENT
from entries import entries
from nets import AsYuNet, export
from people import Library, split
from scenes import Cast
from state import Progress, write_json
from teachers import Teachers


def main():
    args = argparse.ArgumentParser(description="Train limen's demo models.")
    args.add_argument("--data", required=True, help="folder of the Face Research Lab London Set")
    args.add_argument("--teachers", required=True, help="folder of YuNet 2023mar and frr0095")
    args.add_argument("--out", required=True, help="folder for the work and the models")
    args.add_argument("--mixtures", type=int, default=2400, help="mixtures for the recogniser, each also mirrored")
    args.add_argument("--images", type=int, default=157000, help="captures the recogniser sees, at most")
    args.add_argument("--scenes", type=int, default=60000, help="scenes the detector sees, at most")
    args.add_argument("--minutes", type=float, default=30, help="for each of the two networks, at most")
    args.add_argument("--threads", type=int, default=os.cpu_count())
    args = args.parse_args()
    os.makedirs(args.out, exist_ok=True)
    torch.set_num_threads(args.threads)
    progress = Progress()
    at = lambda name: os.path.join(args.out, name)  # noqa: E731

    learned, held = split(args.data)
    write_json(at("split.json"), {"learned": learned, "held_out": held})
    library = Library(args.data, args.teachers, at("people.npz"), progress)
    courses = {}
    pictures, templates = recogniser.canvases(library, args.teachers, args.out, args.mixtures, progress)
    net, courses["recogniser"] = recogniser.learn(pictures, templates, args.out, args.images, args.minutes, progress)
    export(net, at("limen-recogniser-demo.onnx"), STUDENT, ["template"])
    net, courses["detector"] = detector.learn(lambda: Cast(library, Teachers(args.teachers), 400, 0, progress),
                                              args.out, args.scenes, args.minutes, progress)
    export(AsYuNet(net), at("limen-detector-demo.onnx"), 320, AsYuNet.names)

    figures = {"courses": courses, "files": {}}
    for name in ("limen-detector-demo.onnx", "limen-recogniser-demo.onnx"):
        with open(at(name), "rb") as f:
            data = f.read()
        figures["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    figures["detector"] = evaluate.detector(library, args.data, args.teachers, args.out, 400, progress)
    figures["recogniser"] = evaluate.recogniser(library, args.data, args.teachers, args.out, progress)
    write_json(at("figures.json"), figures)
    with open(at("entries.yaml"), "w", encoding="utf-8") as f:
        f.write(entries(figures))
    print(f"models, figures.json and entries.yaml (for matcher/catalog/manifest.yaml) lie in {args.out}")


if __name__ == "__main__":
    main()
