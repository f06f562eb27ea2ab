#!/usr/bin/python3
"""Put what train.py made into the catalog: models, filled cards and entries.

    matcher/train/ship.py build/train

Run it when figures.json says that the models serve, then go test ./cmd/internal/demo ./matcher/catalog.
"""
import json
import os
import shutil
import sys

from nets import Detector, Recogniser

HERE = os.path.dirname(os.path.abspath(__file__))
CATALOG = os.path.join(HERE, "..", "catalog")
SET = """
  - name: london-held-out
    about: >-
      20 people of the London set that the demo recogniser did not learn from (the 5th, 10th, 15th … in the order of face_id): their
      photographs against each other, and a dozen rendered captures of each against a plain picture of each. The captures are digital
      simulations; pairs are far from independent. It shows that the demonstration works, and no rate at a border.
"""


def main():
    out = sys.argv[1]
    with open(os.path.join(out, "figures.json"), encoding="ascii") as f:
        words = facts(json.load(f))
    for name in ("limen-detector-demo", "limen-recogniser-demo"):
        shutil.copy(os.path.join(out, name + ".onnx"), os.path.join(CATALOG, "shipped"))
        with open(os.path.join(HERE, "cards", name + ".md"), encoding="utf-8") as f:
            card = f.read()
        for key, value in words.items():
            card = card.replace(f"@{key}@", str(value))
        with open(os.path.join(CATALOG, "shipped", name + ".md"), "w", encoding="utf-8") as f:
            f.write(card)
    path = os.path.join(CATALOG, "manifest.yaml")
    with open(path, encoding="utf-8") as f:
        manifest = f.read()
    with open(os.path.join(out, "entries.yaml"), encoding="utf-8") as f:
        entries = f.read() + "\n"
    start = manifest.find("  - name: limen-detector-demo")
    end = manifest.index("  - name: minifasnet-v2-2.7")
    manifest = manifest[:start if start >= 0 else end] + entries + manifest[end:]
    if "  - name: london-held-out" not in manifest:
        manifest = manifest.rstrip("\n") + "\n" + SET
    with open(path, "w", encoding="utf-8") as f:
        f.write(manifest)


def facts(figures):
    """What the cards say in the places marked @NAME@."""
    d, courses = figures["detector"], figures["courses"]
    r = next(found for found in figures["recogniser"] if found["fmr"] == 0.001)
    raised = "" if r["cosine"] == r["cosine_by_learned_alone"] else f" ({r['cosine_by_learned_alone']:.2f}), raised to where the held-out keep the rate too,"
    return {
        "DET_PARAMS": weights(Detector()), "REC_PARAMS": weights(Recogniser()),
        "DET_BATCH": courses["detector"]["batch"], "DET_ON": courses["detector"]["on"],
        "REC_BATCH": courses["recogniser"]["batch"], "REC_ON": courses["recogniser"]["on"],
        "DET_IMAGES": courses["detector"]["images"], "DET_SECONDS": courses["detector"]["seconds"],
        "REC_IMAGES": courses["recogniser"]["images"], "REC_SECONDS": courses["recogniser"]["seconds"],
        "DET_MISSED": d["missed"], "DET_FACES": d["faces"], "DET_MISSED95": percent(d["missed_95"]), "DET_FALSE": d["false_finds"],
        "DET_SCENES": d["scenes"], "DET_EMPTYF": d["empty_with_a_find"], "DET_EMPTY": d["empty_scenes"],
        "DET_LM": d["landmark_error_median"], "DET_LM95": d["landmark_error_95th"], "DET_PF": d["photographs_found"], "DET_PLM": d["photographs_landmark_error"],
        "REC_T": f"{r['cosine']:.2f}", "REC_RAISED": raised, "REC_TABLE": table(r["counts"]),
    }


def table(counts):
    lines = ["| | genuine not matched | impostors matched | lowest genuine | highest impostor |", "| --- | --- | --- | --- | --- |"]
    for who, words in (("held_out", "held-out"), ("learned", "learned from")):
        for kind, c in counts[who].items():
            lines.append(f"| {words}: {kind} | {c['false_non_matches']} of {c['genuine']} (95 %: {percent(c['fnmr_95'])}) | "
                         f"{c['false_matches']} of {c['impostor']} (95 %: {percent(c['fmr_95'])}) | {c['lowest_genuine']:.2f} | {c['highest_impostor']:.2f} |")
    return "\n".join(lines) + "\n"


def percent(interval):
    return f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f} %"


def weights(net):
    return f"{round(sum(p.numel() for p in net.parameters()), -3) // 1000} 000"


if __name__ == "__main__":
    main()
