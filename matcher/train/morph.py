#!/usr/bin/python3
"""Make morphs of the London people, for training and measuring morph detection.

    apt-get install python3-numpy python3-opencv python3-scipy
    matcher/train/morph.py --london ../shared/data/faces/london --models ../shared/models --out /tmp/morphs
    limen face morphs /tmp/morphs            # measures; --fit trains anew for the recogniser in use

Everybody is paired with the people of the same gender whom the recogniser finds
most alike, as somebody would choose who wants to pass; never across the border
between training and test (held out: the 5th, 10th, ... person in the order of
face_id). Each pair is morphed in two ways:

  blend   both photographs warped to the mean landmarks and averaged, hair and all
  splice  the averaged face, on one person's landmarks and in that person's
          skin tone, set into that person's hair, ears and neck

Bona fide portraits are the neutral photographs, warped by a pixel or so, so
that it is not the resampling that tells. All are cropped and compressed as a chip's
portrait, once as they are and once printed and scanned (simulated). Live pictures are the smiling photographs, as they are and altered: with
glasses drawn on, and small, dim and noisy as a gate's camera may see them, for a
face that changed is no morph. --out must lie outside the
repository: these are pictures of real people, who agreed to their use in studies.
"""
import argparse
import csv
import glob
import os
import sys
import zlib

import cv2
import numpy as np
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "faces"))
from london import Person  # noqa: E402
from mix import SIDE, frame_points, from_lab, outline_mask, to_lab, upright  # noqa: E402
from recognize import Recognizer  # noqa: E402

PARTNERS = {"train": 8, "test": 2}
PORTRAIT = (413, 531)
STEP = 9  # warps are found on every ninth pixel and interpolated between


def main():
    args = argparse.ArgumentParser(description="Make morphs of the London people.")
    args.add_argument("--london", required=True)
    args.add_argument("--models", required=True)
    args.add_argument("--out", required=True, help="a folder outside the repository")
    args = args.parse_args()
    os.makedirs(args.out, mode=0o700, exist_ok=True)
    with open(os.path.join(args.london, "people.csv"), encoding="utf-8") as f:
        gender = {row["face_id"]: row["face_gender"] for row in csv.DictReader(f)}
    ids = sorted(os.path.basename(p)[:3] for p in glob.glob(os.path.join(args.london, "neutral_front", "*_03.jpg")))
    held = set(ids[4::5])
    recognizer = Recognizer(args.models)
    cv2.setNumThreads(1)
    people, templates, rows = {}, {}, []
    for i in ids:
        p = Person(args.london, i)
        people[i] = upright(p.neutral, p.landmarks)
        templates[i] = recognizer.template(p.neutral)
        for name, picture in lives(p.smiling(), recognizer, int(i)):
            write(os.path.join(args.out, f"live-{i}{name}.jpg"), picture, 90_000)
    for split, members in (("train", [i for i in ids if i not in held]), ("test", [i for i in ids if i in held])):
        for n, i in enumerate(members):
            name = f"bona-{i}.jpg"
            portrait(args.out, name, crop(bona_fide(people[i], int(i))))
            rows += [[n, "bona_fide", split, i, ""] for n in (name, scanned(name))]
        for a, b in pairs(members, gender, templates, PARTNERS[split]):
            for method, picture in morphs(people[a], people[b]):
                name = f"{method}-{a}-{b}.jpg"
                portrait(args.out, name, crop(picture))
                rows += [[n, method, split, a, b] for n in (name, scanned(name))]
            print(f"\r{split} {len(rows)} pictures", end="", file=sys.stderr, flush=True)
    with open(os.path.join(args.out, "morphs.csv"), "w", newline="", encoding="ascii") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(["file", "kind", "split", "a", "b"])
        table.writerows(rows)
    print(file=sys.stderr)


def lives(picture, recognizer, seed):
    """The smiling photograph as it is, with glasses, and as a gate's camera sees it."""
    yield "", picture
    right, left = recognizer.five_points(picture)[:2]
    rng = np.random.default_rng(seed)
    apart = float(np.hypot(*(left - right)))
    worn = picture.copy()
    color, thick = rng.uniform(20, 90, 3), int(round(apart * rng.uniform(0.03, 0.075)))
    wide, tall = apart * rng.uniform(0.34, 0.42), apart * rng.uniform(0.22, 0.30)
    for eye, way in ((right, -1), (left, 1)):
        middle = (int(eye[0]), int(eye[1] + 0.04 * apart))
        cv2.ellipse(worn, middle, (int(wide), int(tall)), 0, 0, 360, color, thick, cv2.LINE_AA)
        hinge = (int(eye[0] + way * wide), int(eye[1] - 0.04 * apart))
        cv2.line(worn, hinge, (int(eye[0] + way * 0.85 * apart), hinge[1]), color, max(thick - 1, 1), cv2.LINE_AA)
    cv2.line(worn, (int(right[0] + wide), int(right[1])), (int(left[0] - wide), int(left[1])), color, thick, cv2.LINE_AA)
    yield "-glasses", worn
    for name, base in (("-gate", picture), ("-gate-glasses", worn)):
        scale = rng.uniform(55, 100) / apart
        small = cv2.resize(base, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        slope = np.linspace(-1, 1, small.shape[1], dtype=np.float32)[None, :, None] * rng.uniform(-0.3, 0.3)
        small = small * rng.uniform(0.45, 1.05) * (1 + slope) * rng.uniform(0.93, 1.07, 3) + rng.normal(0, 3, small.shape)
        squeeze = cv2.resize(small, None, fx=rng.uniform(0.95, 1.0), fy=1)
        yield name, squeeze


def pairs(members, gender, templates, partners):
    """Each with the partners most alike of the same gender; the first lends the hair."""
    seen, out = set(), []
    for a in members:
        others = sorted((b for b in members if b != a and gender[b] == gender[a]),
                        key=lambda b: -float(templates[a] @ templates[b]))
        for b in others[:partners]:
            if frozenset((a, b)) not in seen:
                seen.add(frozenset((a, b)))
                out.append((a, b))
    return out


def warp(picture, source, target):
    """Move landmarks from source to target, piecewise affine."""
    target, source = np.vstack([target, frame_points()]), np.vstack([source, frame_points()])
    _, keep = np.unique(target.round(1), axis=0, return_index=True)
    n = SIDE // STEP + 1
    grid = (np.mgrid[0:n, 0:n][::-1].transpose(1, 2, 0) * STEP).clip(0, SIDE - 1)
    where = LinearNDInterpolator(Delaunay(target[keep]), source[keep])(grid).astype(np.float32)
    lines = (np.arange(SIDE, dtype=np.float32) / STEP)
    x, y = np.meshgrid(lines, lines)
    where = cv2.remap(where, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.remap(picture, where[..., 0], where[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def morphs(a, b, share=0.5):
    """The two morphs of a and b; share is b's."""
    mean = a[1] * (1 - share) + b[1] * share
    both = warp(a[0], a[1], mean) * (1 - share) + warp(b[0], b[1], mean) * share
    yield "blend", both
    face = warp(both, mean, a[1])
    inside = outline_mask(a[1], 8, 6)
    core = outline_mask(a[1], 20, 1)[..., 0] > 0.5
    lab, want = to_lab(face), to_lab(a[0])
    lab = lab + (want[core].mean(0) - lab[core].mean(0))
    yield "splice", from_lab(lab) * inside + a[0] * (1 - inside)


def bona_fide(person, seed):
    """The photograph through a warp of its own, no larger than it takes to resample it."""
    picture, landmarks = person
    jitter = np.random.default_rng(seed).normal(0, 1.0, (1, 2))
    return warp(picture, landmarks, landmarks + jitter)


def crop(picture):
    scale = 98 / 107
    move = np.float32([[scale, 0, PORTRAIT[0] / 2 - scale * SIDE / 2], [0, scale, 0.445 * PORTRAIT[1] - scale * 315]])
    return cv2.warpAffine(picture, move, PORTRAIT, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)


def scanned(name):
    return name.replace(".jpg", "-scan.jpg")


def portrait(out, name, picture):
    """The portrait as it is, and as it comes off paper: printed, scanned and compressed
    again, so that it is not a camera's fine grain that tells."""
    write(os.path.join(out, name), picture, 20_000)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    paper = cv2.GaussianBlur(picture.clip(0, 255).astype(np.float32), (0, 0), rng.uniform(0.6, 1.5))
    paper = 128 + (paper - 128) * rng.uniform(0.85, 1.05) * rng.uniform(0.96, 1.04, 3) + rng.normal(0, rng.uniform(1, 4), paper.shape)
    back = cv2.GaussianBlur(paper, (0, 0), rng.uniform(0.4, 0.8))
    if rng.uniform() < 0.5:  # as JPEG 2000, which leaves no blocks
        ok, data = cv2.imencode(".jp2", back.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 25])
        back = cv2.imdecode(data, cv2.IMREAD_COLOR) if ok else back
    write(os.path.join(out, scanned(name)), back, int(rng.uniform(12_000, 20_000)))


def write(path, picture, most):
    picture = picture.clip(0, 255).astype(np.uint8)
    for quality in range(92, 40, -4):
        ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
        if ok and len(data) <= most:
            with open(path, "wb") as f:
                f.write(data)
            return
    raise SystemExit(f"{path} does not fit in {most} bytes")


if __name__ == "__main__":
    main()
