#!/usr/bin/python3
"""Make the demo's travellers: faces of nobody, each mixed from three people.

    apt-get install python3-numpy python3-opencv python3-scipy libopenjp2-tools
    scripts/faces/make_faces.py --london ../shared/data/faces/london --models ../shared/models \\
        --out cmd/internal/demo/faces

For each traveller it writes NAME.portrait.jpg (what the passport's chip holds),
NAME.live.jpg with NAME.matte.png (what a camera sees later: turned, lit
otherwise, perhaps smiling, never the portrait itself); one portrait also as JPEG 2000;
credits.csv, who was mixed; and similarity.json, every live picture against
every portrait by the recognizer frr0095. It stops when a traveller is not like
their own portrait or too like another's. The output is the same on every run
with the same libraries.
"""
import argparse
import csv
import json
import os
import subprocess
import tempfile

import cv2
import numpy as np

from garment import dress
from live import grain, live_view
from london import Person
from mix import SIDE, mixture, place
from recognize import Recognizer
from smile import smiling_landmarks

WEIGHTS = (0.34, 0.33, 0.33)
PORTRAIT = (413, 531)  # 35 x 45 mm at 300 dpi
LIVE_SIDE, MATTE_SIDE = 720, 240
SAME, OTHER = 0.6, 0.3  # cosine: a traveller's own portrait at least, anybody else's at most
JPEG2000 = "traveller-02"

# Three people alike in age, gender and ethnicity as they gave them; the first
# lends hair and neck. Nobody is in two travellers. Then the portrait's and the
# live picture's clothes (BGR) and the live view: yaw, pitch, smirk, light's side, warmth, gain.
TRAVELLERS = [
    (("099", "126", "025"), (0.45, 0.24, 0.16), (0.22, 0.20, 0.55), (-7, 2, 0.6, 0.8, 0.6, 1.02)),
    (("127", "087", "034"), (0.28, 0.36, 0.22), (0.60, 0.58, 0.56), (6, -2, 0.8, -0.9, -0.3, 0.96)),
    (("009", "100", "124"), (0.24, 0.22, 0.52), (0.34, 0.26, 0.20), (0, 0, 0.0, 0.5, 0.4, 0.97)),
    (("006", "064", "066"), (0.20, 0.20, 0.21), (0.50, 0.42, 0.20), (-5, 2, 0.9, 0.9, 0.2, 1.05)),
    (("134", "014", "039"), (0.52, 0.54, 0.50), (0.16, 0.30, 0.44), (7, 3, 0.5, -0.8, 0.5, 0.94)),
    (("107", "136", "120"), (0.46, 0.28, 0.18), (0.30, 0.34, 0.26), (-6, -1, 0.7, 0.7, -0.4, 0.98)),
    (("137", "082", "043"), (0.26, 0.36, 0.20), (0.24, 0.24, 0.25), (6, 2, 0.4, 0.9, 0.3, 1.08)),
    (("119", "024", "005"), (0.22, 0.20, 0.48), (0.42, 0.26, 0.16), (-7, 1, 0.7, -0.7, 0.6, 0.96)),
    (("008", "142", "115"), (0.18, 0.18, 0.19), (0.40, 0.42, 0.42), (5, 3, 0.6, 0.8, -0.2, 1.00)),
    (("141", "012", "029"), (0.48, 0.46, 0.42), (0.20, 0.34, 0.24), (-6, 2, 0.8, -0.9, 0.4, 0.95)),
    (("172", "125", "021"), (0.44, 0.22, 0.14), (0.16, 0.16, 0.18), (7, -1, 0.4, 0.7, 0.2, 0.97)),
    (("017", "121", "101"), (0.24, 0.34, 0.20), (0.46, 0.30, 0.22), (-5, 3, 0.7, -0.8, 0.5, 0.98)),
]
SMILES = "traveller-03"  # live smiling against a neutral portrait


def main():
    args = argparse.ArgumentParser(description="Make the demo's travellers.")
    args.add_argument("--london", required=True, help="folder of the Face Research Lab London Set")
    args.add_argument("--models", required=True, help="folder of the face models")
    args.add_argument("--out", required=True, help="folder to write to")
    args = args.parse_args()
    recognizer = Recognizer(args.models)
    names, portraits, lives = [], [], []
    for number, traveller in enumerate(TRAVELLERS, 1):
        name = f"traveller-{number:02d}"
        make(name, number, traveller, args.london, args.out, recognizer)
        names.append(name)
        portraits.append(recognizer.template(cv2.imread(os.path.join(args.out, name + ".portrait.jpg"))))
        lives.append(recognizer.template(cv2.imread(os.path.join(args.out, name + ".live.jpg"))))
    write_credits(args.out, names)
    write_similarity(args.out, names, portraits, lives)


def make(name, number, traveller, london, out, recognizer):
    ids, portrait_color, live_color, view = traveller
    people = [Person(london, i) for i in ids]
    neutral = mixture([p.neutral for p in people], [p.landmarks for p in people], WEIGHTS)
    picture, alpha = dress(neutral[0], neutral[2], neutral[1], portrait_color, seed=number)
    portrait = frame(place(picture, alpha, wall(222, 214)))
    write_jpeg(os.path.join(out, name + ".portrait.jpg"), grain(portrait, 100 + number, 1.2), 20_000)
    if name == JPEG2000:
        write_jpeg2000(os.path.join(out, name + ".portrait.jp2"), grain(portrait, 100 + number, 0.6), 18_000)

    if name == SMILES:
        pairs = [smiling_landmarks(p, recognizer) for p in people]
        neutral = mixture([p for p, _ in pairs], [s for _, s in pairs], WEIGHTS)
    picture, alpha = dress(neutral[0], neutral[2], neutral[1], live_color, seed=500 + number)
    picture, alpha = live_view(picture, neutral[1], alpha, *view)
    picture = grain(place(picture, alpha, wall(158, 142)), 200 + number, 2.0)
    picture = cv2.resize(picture, (LIVE_SIDE, LIVE_SIDE), interpolation=cv2.INTER_CUBIC)
    write_jpeg(os.path.join(out, name + ".live.jpg"), picture, 70_000)
    matte = cv2.resize((alpha * 255).astype(np.uint8), (MATTE_SIDE, MATTE_SIDE), interpolation=cv2.INTER_AREA)
    matte = np.uint8((matte.astype(np.float32) / 17).round() * 17)  # 16 steps are enough for an edge
    cv2.imwrite(os.path.join(out, name + ".matte.png"), matte, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def wall(top, bottom):
    """A plain wall, a little darker below."""
    rows = np.linspace(top, bottom, SIDE, dtype=np.float32)[:, None, None]
    return np.repeat(rows, SIDE, 1) * np.float32([0.99, 1, 1.005])


def frame(picture):
    """Crop as passport photographs are: eyes 98 px apart, a little above the middle."""
    scale = 98 / 107
    move = np.float32([[scale, 0, PORTRAIT[0] / 2 - scale * SIDE / 2], [0, scale, 0.445 * PORTRAIT[1] - scale * 315]])
    return cv2.warpAffine(picture, move, PORTRAIT, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)


def write_jpeg(path, picture, most):
    """The best quality that fits in so many bytes."""
    picture = picture.clip(0, 255).astype(np.uint8)
    for quality in range(92, 40, -2):
        ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
        if ok and len(data) <= most:
            with open(path, "wb") as f:
                f.write(data)
            return
    raise SystemExit(f"{path} does not fit in {most} bytes")


def write_jpeg2000(path, picture, size):
    with tempfile.TemporaryDirectory() as folder:
        raw = os.path.join(folder, "portrait.ppm")
        cv2.imwrite(raw, picture.clip(0, 255).astype(np.uint8))
        ratio = os.path.getsize(raw) / size
        subprocess.run(["opj_compress", "-i", raw, "-o", path, "-r", f"{ratio:.1f}", "-I"],
                       check=True, stdout=subprocess.DEVNULL)


def write_credits(out, names):
    with open(os.path.join(out, "credits.csv"), "w", newline="", encoding="ascii") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(["file", "london_set_ids", "weights", "source_pictures"])
        for name, traveller in zip(names, TRAVELLERS):
            ids, weights = " ".join(traveller[0]), " ".join(map(str, WEIGHTS))
            table.writerow([name + ".portrait", ids, weights, "neutral_front"])
            table.writerow([name + ".live", ids, weights, "smiling_front" if name == SMILES else "neutral_front"])


def write_similarity(out, names, portraits, lives):
    scores = np.array(lives) @ np.array(portraits).T
    between = np.array(portraits) @ np.array(portraits).T
    own = scores.diagonal()
    off = ~np.eye(len(names), dtype=bool)
    result = {
        "model": "frr0095 (face-reidentification-retail-0095), cosine",
        "rows": "live", "columns": "portrait", "names": names,
        "lowest_own": round(float(own.min()), 3),
        "highest_other": round(float(scores[off].max()), 3),
        "highest_between_portraits": round(float(between[off].max()), 3),
        "cosine": [[round(float(s), 3) for s in row] for row in scores],
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in result.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    with open(os.path.join(out, "similarity.json"), "w", encoding="ascii") as f:
        f.write(text.replace("], [", "],\n  ["))
    print("lowest own, highest other (live, portraits):", *(round(float(s), 3) for s in (
        own.min(), scores[off].max(), between[off].max())))
    for k in np.argwhere(off & (np.maximum(scores, between) > OTHER)):
        print("too alike:", names[k[0]], names[k[1]], round(float(scores[tuple(k)]), 3), round(float(between[tuple(k)]), 3))
    if own.min() < SAME or max(scores[off].max(), between[off].max()) > OTHER:
        raise SystemExit(f"want own at least {SAME} and others at most {OTHER}: choose other people or weights")


if __name__ == "__main__":
    main()
