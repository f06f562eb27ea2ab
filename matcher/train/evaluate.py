"""What the exported models do, run in OpenCV as limen runs them.

Thresholds are found on the people learned from, raised where those held out
need it, and counted on those.
Mixtures that share a contributor are never called impostors.
"""
import glob
import math
import os

import cv2
import numpy as np

from captures import STUDENT, capture
from detector import DETECT, MIN_SCORE
from mixtures import before, mix, recipe
from scenes import Cast, scene
from teachers import Describer, Finder, Teachers

CAPTURES = 12  # of each person
RATES = (0.01, 0.001)


def bound(errors, of):
    """One-sided 95 % upper bound of a rate (Poisson), as limen's catalog counts it."""
    if errors > 100:
        return (errors + 1.645 * math.sqrt(errors) + 2) / of
    low, high = 0.0, 10.0 * errors + 10
    for _ in range(60):
        mean = (low + high) / 2
        if sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(errors + 1)) > 0.05:
            low = mean
        else:
            high = mean
    return high / of


def interval(errors, of):
    """95 % interval of a rate (Wilson)."""
    z, p = 1.96, errors / of
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return [round(max(0.0, (middle - half) / (1 + z * z / of)), 4), round((middle + half) / (1 + z * z / of), 4)]


class Students:
    def __init__(self, out):
        self.finder = Finder(os.path.join(out, "limen-detector-demo.onnx"), DETECT, MIN_SCORE)
        self.describer = Describer(os.path.join(out, "limen-recogniser-demo.onnx"), STUDENT)

    def photograph(self, path):
        """The template by the whole pipeline; None when no face is found."""
        picture = cv2.imread(path)
        faces = self.finder.faces(picture)
        return self.describer.of(picture, faces[0][2]) if faces else None


def photographs(london, students, ids):
    """Templates (people, 2, 256) of the London photographs themselves."""
    found = []
    for number in ids:
        pair = [students.photograph(glob.glob(os.path.join(london, f"{kind}_front", number + "_*.jpg"))[0]) for kind in ("neutral", "smiling")]
        if any(t is None for t in pair):
            raise SystemExit(f"the detector finds no face in a photograph of {number}: it learned too little, train it longer")
        found.append(pair)
    return np.array(found)


def photograph_scores(t):
    """Neutral against smiling of each; everybody against everybody else."""
    n = len(t)
    cross, off = t[:, 0] @ t[:, 1].T, ~np.eye(n, dtype=bool)
    upper = np.triu_indices(n, 1)
    return cross.diagonal(), np.concatenate([cross[off], (t[:, 0] @ t[:, 0].T)[upper], (t[:, 1] @ t[:, 1].T)[upper]])


def rendered_scores(library, teachers, students, held_out, mixtures, seed):
    """Captures of each person, or of mixtures of them, against a plain picture of each.

    The plain picture is neutral; of people the captures are of the smiling photograph
    and the neutral one by turns.
    """
    rng = np.random.default_rng([5, seed])
    items = library.items(held_out)
    subjects = []
    if mixtures:
        for _ in range(mixtures):
            people = []
            while len(people) < 2:
                people, pictures, shape, texture = recipe(rng, items, 3)
            subjects.append((set(people), [(pictures, shape, texture)] * 2))
    else:
        subjects = [({n}, [([k], [1.0], [1.0]) for k in pair]) for n, pair in enumerate(items)]
    plain, taken = [], []
    for _, kinds in subjects:
        canvases = []
        for kind in kinds:
            picture = before(mix(library, *kind)[0], rng.uniform(60, 220, 3))
            canvases.append(teachers.canvas(picture, teachers.finder.faces(picture)[0][2])[0])
        picture = before(mix(library, *kinds[0])[0], (200, 200, 200))
        plain.append(students.describer.of(picture, students.finder.faces(picture)[0][2]))
        taken.append([students.describer.template(capture(rng, canvases[k % 2])) for k in range(CAPTURES)])
    scores = np.einsum("id,jkd->ijk", np.array(plain), np.array(taken))
    apart = np.array([[not (a & b) for b, _ in subjects] for a, _ in subjects])
    return scores[np.arange(len(subjects)), np.arange(len(subjects))].ravel(), scores[apart].ravel()


def counted(genuine, impostor, threshold):
    missed, matched = int((genuine < threshold).sum()), int((impostor >= threshold).sum())
    return {"genuine": len(genuine), "false_non_matches": missed, "fnmr_95": interval(missed, len(genuine)),
            "impostor": len(impostor), "false_matches": matched, "fmr_95": interval(matched, len(impostor)),
            "lowest_genuine": round(float(genuine.min()), 3), "highest_impostor": round(float(impostor.max()), 3)}


def lowest_threshold(sets, rate):
    """The lowest cosine, in steps of 0.01, at which every set's bound lies under the rate."""
    for hundredth in range(1, 100):
        t = hundredth / 100
        if all(bound(int((s >= t).sum()), len(s)) <= rate for s in sets if 3 / len(s) <= rate):
            return t
    raise SystemExit(f"no cosine keeps a false match rate of {rate}: the recogniser learned too little, train it longer")


def recogniser(library, london, folder, out, progress):
    students, teachers = Students(out), Teachers(folder)
    scores = {}
    for name, held_out, ids in (("learned", False, library.ids), ("held_out", True, library.held)):
        scores[name, "photographs"] = photograph_scores(photographs(london, students, ids))
        progress(f"evaluation, {name}", 1, 3)
        scores[name, "captures"] = rendered_scores(library, teachers, students, held_out, 0, 1)
        progress(f"evaluation, {name}", 2, 3)
        scores[name, "mixtures"] = rendered_scores(library, teachers, students, held_out, 40 if held_out else 60, 2)
        progress(f"evaluation, {name}", 3, 3)
    result = []
    learned = [scores["learned", k][1] for k in ("photographs", "captures", "mixtures")]
    # Faces that were learned are told apart better than others: the held-out may only raise it.
    held = np.concatenate([scores["held_out", k][1] for k in ("photographs", "captures")])
    for rate in RATES:
        first = lowest_threshold(learned, rate)
        threshold = max(first, lowest_threshold([held], rate))
        result.append({"fmr": rate, "cosine": threshold, "cosine_by_learned_alone": first,
                       "counts": {name: {kind: counted(*scores[name, kind], threshold) for kind in ("photographs", "captures", "mixtures")}
                                  for name in ("learned", "held_out")}})
    return result


def detector(library, london, folder, out, count, workers, progress):
    """Scenes with held-out people only, and the photographs of those held out."""
    students, teachers = Students(out), Teachers(folder)
    cast = Cast(library, folder, 60, 9, workers, progress, held_out=True)
    rng = np.random.default_rng([6, 1])
    faces = found = false = empty = empty_false = 0
    errors = []
    for n in range(count):
        picture, boxes, points = scene(rng, cast, 256)
        widths = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1)) if len(boxes) else np.zeros(0)
        seen = students.finder.faces(picture)
        used = set()
        for k in range(len(boxes)):
            eyes = np.hypot(*(points[k][0] - points[k][1]))
            off = [np.hypot(*(p - points[k]).T).mean() / eyes for _, _, p in seen]
            best = int(np.argmin(off)) if off else -1
            hit = best >= 0 and off[best] < 0.5
            if hit:
                used.add(best)
            if widths[k] >= 32:  # of 256; smaller ones count neither way
                faces += 1
                found += hit
                if hit:
                    errors.append(off[best])
        false += len(seen) - len(used)
        if len(boxes) == 0:
            empty += 1
            empty_false += bool(seen)
        progress("evaluation, scenes", n + 1, count)
    off = []
    for number in library.held:
        for path in sorted(glob.glob(os.path.join(london, "*_front", number + "_*.jpg"))):
            picture = cv2.imread(path)
            mine, theirs = students.finder.faces(picture), teachers.finder.faces(picture)
            if len(mine) == 1:
                off.append(np.hypot(*(mine[0][2] - theirs[0][2]).T).mean() / np.hypot(*(theirs[0][2][0] - theirs[0][2][1])))
    return {"scenes": count, "faces": faces, "missed": faces - found, "missed_95": interval(faces - found, faces), "false_finds": false,
            "empty_scenes": empty, "empty_with_a_find": empty_false,
            "landmark_error_median": round(float(np.median(errors)), 4), "landmark_error_95th": round(float(np.quantile(errors, 0.95)), 4),
            "photographs": 2 * len(library.held), "photographs_found": len(off), "photographs_landmark_error": round(float(np.mean(off)), 4) if off else None}
