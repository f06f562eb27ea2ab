"""Rendered scenes for the detector: people before walls and clutter, at many sizes and turns, or nobody.

The teacher finds box and landmarks once, on the upright mixture; they move with
it into the scene, so that small, dim and blurred faces are labelled as well as
large ones.
"""
import multiprocessing

import cv2
import numpy as np

from captures import lit, sensed
from mixtures import before, mix, recipe
from people import SIDE as PERSON
from teachers import Teachers

SIDE = 192


class Cast:
    """The people who appear: pictures with mattes, and what the teacher says of each."""

    def __init__(self, library, teachers, count, seed, workers, progress, held_out=False):
        rng = np.random.default_rng([3, seed])
        items = library.items(held_out)
        photographs = items.ravel()
        casting = []
        for nth in range(count):
            if nth < len(photographs) and count > len(photographs):
                casting.append((photographs[nth:nth + 1], [1.0], [1.0]))
            else:
                casting.append(recipe(rng, items)[1:])
        self.pictures, self.boxes, self.points = [], [], []
        # Forked: the library is shared, not copied.
        with multiprocessing.get_context("fork").Pool(workers, _begin, (library, teachers)) as pool:
            for picture, box, points in pool.imap(_appear, casting, 8):
                self.pictures.append(picture)
                self.boxes.append(box)
                self.points.append(points)
                progress("cast", len(self.pictures), count)


def _begin(library, folder):
    global _library, _teachers
    _library, _teachers = library, Teachers(folder)


def _appear(casting):
    picture, _ = mix(_library, *casting)
    faces = _teachers.finder.faces(before(picture, (150, 150, 150)))
    if not faces:
        raise SystemExit("the teacher finds no face in a mixture: look at it")
    return picture, faces[0][1], faces[0][2]


def scene(rng, cast, side=SIDE):
    """A picture (side, side, 3) uint8, its boxes (n, 4: corners) and landmarks (n, 5, 2)."""
    picture = wall(rng, side)
    boxes, points = [], []
    count = int(rng.choice([0, 1, 2, 3], p=[0.15, 0.6, 0.17, 0.08]))
    for _ in range(count):
        placed = _place(rng, cast, picture, boxes)
        if placed is not None:
            picture, box, five = placed
            boxes.append(box)
            points.append(five)
    if rng.random() < 0.25:
        picture = _faceless(rng, cast, picture, boxes)
    picture = sensed(rng, lit(rng, picture, 0.9), 0.8)
    return picture, np.array(boxes).reshape(-1, 4), np.array(points).reshape(-1, 5, 2)


def wall(rng, side):
    """A plain, shaded, noisy or cluttered wall."""
    picture = np.empty((side, side, 3), np.float32)
    picture[:] = rng.uniform(0, 255, 3) if rng.random() < 0.5 else rng.uniform(0, 255)
    if rng.random() < 0.6:
        slope = rng.normal(0, 50, 2)
        line = np.linspace(-1, 1, side, dtype=np.float32)
        picture += (slope[0] * line[:, None] + slope[1] * line[None])[..., None]
    for _ in range(int(rng.integers(0, 3))):
        grain = int(2 ** rng.uniform(1, 7))
        noise = rng.normal(0, rng.uniform(5, 60), (grain, grain, 3)).astype(np.float32)
        picture += cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(0, 12)) if rng.random() < 0.6 else 0):
        _shape(rng, picture)
    return picture.clip(0, 255)


def _shape(rng, picture):
    """Something flat: a board, a lamp, a ball the color of skin."""
    side = picture.shape[0]
    color = rng.uniform(0, 255, 3)
    if rng.random() < 0.3:
        color = np.array([120, 150, 200]) * rng.uniform(0.3, 1.2)
    x, y = rng.uniform(0, side, 2)
    w, h = side * 2 ** rng.uniform(-5, -1, 2)
    kind = rng.integers(3)
    if kind == 0:
        cv2.rectangle(picture, (int(x - w), int(y - h)), (int(x + w), int(y + h)), color.tolist(), -1 if rng.random() < 0.7 else 2)
    elif kind == 1:
        cv2.ellipse(picture, ((x, y), (2 * w, 2 * h), float(rng.uniform(0, 180))), color.tolist(), -1)
    else:
        cv2.line(picture, (int(x), int(y)), (int(rng.uniform(0, side)), int(rng.uniform(0, side))), color.tolist(), int(rng.integers(1, 6)))


def _move(rng, box, side, width):
    """A similarity that puts the face at a size, a turn and a place."""
    scale = width / box[2]
    angle = rng.normal(0, 12) if rng.random() < 0.8 else rng.uniform(-40, 40)
    move = cv2.getRotationMatrix2D((float(box[0] + box[2] / 2), float(box[1] + box[3] / 2)), float(angle), float(scale))
    margin = 0.35 * width
    at = rng.uniform(min(margin, side / 2), max(side - margin, side / 2), 2)
    move[:, 2] += at - (box[:2] + box[2:] / 2)
    return move


def _place(rng, cast, picture, others):
    side = picture.shape[0]
    k = int(rng.integers(len(cast.pictures)))
    person, box, points = cast.pictures[k], cast.boxes[k], cast.points[k]
    if rng.random() < 0.5:  # mirrored: left and right change places
        person, box = person[:, ::-1], np.r_[PERSON - box[0] - box[2], box[1:]]
        points = points[[1, 0, 2, 4, 3]] * (-1, 1) + (PERSON - 1, 0)
    move = _move(rng, box, side, 2 ** rng.uniform(np.log2(15), np.log2(0.9 * side)))
    five = points @ move[:, :2].T + move[:, 2]
    # The box keeps its sides when the head leans; it stands around the moved middle.
    middle = move[:, :2] @ (box[:2] + box[2:] / 2) + move[:, 2]
    half = box[2:] / 2 * np.hypot(move[0, 0], move[0, 1])
    corners = np.r_[middle - half, middle + half]
    for o in others:
        if (np.minimum(o[2:], corners[2:]) > np.maximum(o[:2], corners[:2])).all():
            return None
    scale = half[0] / box[2] * 2
    if scale < 0.5:  # reduce without aliasing
        person = cv2.GaussianBlur(person, (0, 0), 0.4 / scale)
    layer = cv2.warpAffine(person, move, (side, side), flags=cv2.INTER_LINEAR)
    alpha = layer[..., 3:].astype(np.float32) / 255
    for o in others:  # who came first stands before
        x0, y0, x1, y1 = np.r_[o[:2] - 0.35 * (o[2:] - o[:2]), o[2:] + 0.2 * (o[2:] - o[:2])].clip(0, side).astype(int)
        alpha[y0:y1, x0:x1] = 0
    front = layer[..., :3].astype(np.float32)
    if rng.random() < 0.7:  # the London people all wear white
        shirt = (layer[..., :3].min(-1) > 150) & (np.arange(side)[:, None] > corners[3])
        front = np.where(shirt[..., None], front * np.float32(rng.uniform(0.05, 1, 3)), front)
    front = lit(rng, front, 0.6)
    picture = front * alpha + picture * (1 - alpha)
    return picture, corners, five


def _faceless(rng, cast, picture, others):
    """A piece of hair or clothes, which is no face."""
    side = picture.shape[0]
    person = cast.pictures[int(rng.integers(len(cast.pictures)))]
    y = int(rng.choice([0, 235]))  # above the eyes, below the chin
    x = int(rng.integers(40, 200))
    piece = person[y:y + 85, x:x + 85, :3]
    size = int(2 ** rng.uniform(4, 7))
    piece = cv2.resize(piece, (size, size), interpolation=cv2.INTER_AREA)
    left, top = (int(v) for v in rng.integers(0, side - size, 2))
    for o in others:
        if left < o[2] and o[0] < left + size and top < o[3] and o[1] < top + size:
            return picture
    picture = picture.copy()
    picture[top:top + size, left:left + size] = piece
    return picture
