"""Who may be learned from, and the pieces that mixtures are put together from.

The pictures are brought to one mean shape once: a mixture is then a weighted sum
of textures, moved by the same sum of displacements.
"""
import multiprocessing
import os
import sys

import cv2
import numpy as np
from scipy.spatial import Delaunay

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "faces"))
from london import OUTLINE, Person  # noqa: E402
from mix import cut_out, frame_points, upright  # noqa: E402
from recognize import Recognizer  # noqa: E402
from smile import smiling_landmarks  # noqa: E402

SIDE = 320  # of every mixture; the London pictures have 675
SCALE = SIDE / 675
EXPRESSIONS = ("neutral", "smiling")


def split(london):
    """The people to learn from and those held out: the 5th, 10th, 15th … in the order of face_id."""
    ids = sorted(f[:3] for f in os.listdir(os.path.join(london, "neutral_front")) if f.endswith(".tem"))
    if len(ids) != 102:
        raise SystemExit(f"{london}: {len(ids)} people, want 102: fetch the London set anew")
    held = ids[4::5]
    return [i for i in ids if i not in held], held


def both(london, number, recognizer):
    """A person's two pictures, upright on SIDE pixels: BGR and matte (SIDE, SIDE, 4), and 189 landmarks."""
    person = Person(london, number)
    for picture, shape in ((person.neutral, person.landmarks), smiling_landmarks(person, recognizer)):
        picture, shape = upright(picture, shape)
        picture, matte = cut_out(picture)
        whole = np.dstack([picture, matte * 255])
        yield cv2.resize(whole, (SIDE, SIDE), interpolation=cv2.INTER_AREA).clip(0, 255).astype(np.uint8), shape * SCALE


class Mean:
    """The mean shape, its triangles, and every pixel's place in them."""

    def __init__(self, shape):
        self.shape = shape
        points = np.vstack([shape, frame_points(SIDE)])
        # Coincident landmarks (closed lips) have no triangle between them.
        _, self.keep = np.unique(points.round(1), axis=0, return_index=True)
        mesh = Delaunay(points[self.keep])
        self.grid = np.mgrid[0:SIDE, 0:SIDE][::-1].reshape(2, -1).T.astype(np.float64)
        at = mesh.find_simplex(self.grid).clip(0)
        affine = mesh.transform[at]
        two = np.einsum("nij,nj->ni", affine[:, :2], self.grid - affine[:, 2])
        self.parts = np.c_[two, 1 - two.sum(1)].clip(0, 1)
        self.corners = mesh.simplices[at]
        inside = np.zeros((SIDE, SIDE), np.float32)
        cv2.fillPoly(inside, [np.int32(shape[OUTLINE].round())], 1)
        inside = cv2.erode(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11)))
        self.inside = cv2.GaussianBlur(inside, (0, 0), 3)[..., None]

    def displacement(self, shape):
        """How far each pixel of the mean moves to lie on the shape: (SIDE, SIDE, 2)."""
        moved = np.vstack([shape - self.shape, np.zeros((len(frame_points(SIDE)), 2))])[self.keep]
        return np.einsum("nk,nkc->nc", self.parts, moved[self.corners]).reshape(SIDE, SIDE, 2).astype(np.float32)

    def flatten(self, picture, shape):
        """The picture moved onto the mean shape, and the displacement that undoes it."""
        move = self.displacement(shape)
        where = self.grid.reshape(SIDE, SIDE, 2).astype(np.float32) + move
        return cv2.remap(picture, where, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), move


def _begin(london, teachers):
    global _london, _recognizer
    cv2.setNumThreads(1)
    _london, _recognizer = london, Recognizer(teachers)


def _person(number):
    return list(both(_london, number, _recognizer))


class Library:
    """All people's textures and displacements, made once and kept in a file."""

    def __init__(self, london, teachers, path, workers, progress):
        self.ids, self.held = split(london)
        everyone = self.ids + self.held
        if not os.path.exists(path):
            found = []
            with multiprocessing.get_context("fork").Pool(workers, _begin, (london, teachers)) as pool:
                for n, pair in enumerate(pool.imap(_person, everyone)):
                    found += pair
                    progress("people", n + 1, len(everyone))
            shapes = np.array([s for _, s in found])
            mean = Mean(shapes[:2 * len(self.ids)].mean(0))  # of those to learn from alone
            flat = [mean.flatten(p, s) for p, s in found]
            with open(path + ".part", "wb") as f:
                np.savez(f, ids=everyone, shapes=shapes, mean=mean.shape,
                         textures=np.stack([t for t, _ in flat]), moves=np.stack([m for _, m in flat]).astype(np.float16))
            os.replace(path + ".part", path)
        kept = np.load(path)
        if list(kept["ids"]) != everyone:
            raise SystemExit(f"{path} was made of other people: remove it and start anew")
        self.shapes, self.textures, self.moves = kept["shapes"], kept["textures"], kept["moves"]
        self.mean = Mean(kept["mean"])

    def items(self, held_out):
        """(people, 2): for each person the numbers of the neutral and the smiling picture."""
        first = len(self.ids) if held_out else 0
        count = len(self.held) if held_out else len(self.ids)
        return np.arange(2 * first, 2 * (first + count)).reshape(-1, 2)
