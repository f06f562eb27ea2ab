"""Mixing people: piecewise-affine warps onto mean landmarks.

Inside the face outline a mixture is the weighted mean of its people: it resembles
each of them somewhat and is the photograph of none. Hair, ears and neck would ghost when averaged: they
come from the first person, warped to the mean shape, with the mixture's skin
tone; the background is taken away (garment.py draws the clothes).
"""
import cv2
import numpy as np
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

from london import LEFT_PUPIL, OUTLINE, RIGHT_PUPIL

SIDE = 675  # of the London pictures and of every mixture


def frame_points(side=SIDE):
    """Corners and edge points, which every warp holds in place."""
    steps = np.linspace(0, side - 1, 5)
    return np.array([(x, y) for x in steps for y in steps if x in (0, side - 1) or y in (0, side - 1)])


def warp(picture, source, target):
    """Move a picture's landmarks from source to target."""
    target = np.vstack([target, frame_points()])
    source = np.vstack([source, frame_points()])
    # Coincident landmarks (closed lips) have no triangle between them.
    _, keep = np.unique(target.round(1), axis=0, return_index=True)
    grid = np.mgrid[0:SIDE, 0:SIDE][::-1].transpose(1, 2, 0)
    where = LinearNDInterpolator(Delaunay(target[keep]), source[keep])(grid).astype(np.float32)
    return cv2.remap(picture, where[..., 0], where[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def outline_mask(landmarks, shrink, feather):
    """1 inside the face outline, 0 outside, with a soft edge; shrink and feather in pixels."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(mask, [np.int32(landmarks[OUTLINE].round())], 1)
    mask = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * shrink + 1,) * 2))
    return cv2.GaussianBlur(mask, (0, 0), feather)[..., None]


def upright(picture, landmarks):
    """Level the eyes, 107 px apart around the middle, as the set's mean has them."""
    left, right = landmarks[LEFT_PUPIL], landmarks[RIGHT_PUPIL]
    (dx, dy), middle = right - left, (left + right) / 2
    scale = 107 / np.hypot(dx, dy)
    move = cv2.getRotationMatrix2D(tuple(map(float, middle)), float(np.degrees(np.arctan2(dy, dx))), float(scale))
    move[:, 2] += np.array([SIDE / 2, 315]) - middle
    picture = cv2.warpAffine(picture, move, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return picture, landmarks @ move[:, :2].T + move[:, 2]


def mixture(pictures, shapes, weights):
    """The mixed picture, its landmarks, and its matte (1 person, 0 background)."""
    ready = [upright(p, s) for p, s in zip(pictures, shapes)]
    first, alpha = cut_out(ready[0][0])
    weights = np.array(weights) / np.sum(weights)
    mean = sum(w * s for w, (_, s) in zip(weights, ready))
    warped = [warp(first, ready[0][1], mean)] + [warp(p, s, mean) for p, s in ready[1:]]
    face = sum(w * p for w, p in zip(weights, warped))
    # A mean of faces is smoother than any: give back the fine grain of skin.
    fine = warped[0] - cv2.GaussianBlur(warped[0], (0, 0), 1.6)
    lost = face - cv2.GaussianBlur(face, (0, 0), 1.6)
    inside = outline_mask(mean, 12, 6)
    face += 0.35 * (fine - lost) * inside
    rest = _skin_tone(warped[0], face, mean)
    picture = face * inside + rest * (1 - inside)
    alpha = warp(alpha, ready[0][1], mean).clip(0, 1)
    return picture, mean, alpha


def _skin_tone(first, face, landmarks):
    """The first person's surroundings, with skin moved to the mixture's tone."""
    core = outline_mask(landmarks, 20, 1)[..., 0] > 0.5
    lab, want = to_lab(first), to_lab(face)
    mean, shift = lab[core].mean(0), want[core].mean(0) - lab[core].mean(0)
    spread = lab[core].std(0) * (2.2, 1.6, 1.6) + (12, 4, 4)
    likeness = np.exp(-0.5 * (((lab - mean) / spread) ** 2).sum(-1))
    likeness = cv2.GaussianBlur(likeness.astype(np.float32), (0, 0), 3)[..., None]
    # The neck lies in the chin's shadow: only its color counts.
    return from_lab(lab + likeness * shift)


def to_lab(picture):
    return cv2.cvtColor(picture.clip(0, 255).astype(np.float32) / 255, cv2.COLOR_BGR2Lab)


def from_lab(lab):
    return cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_Lab2BGR) * 255


def cut_out(picture):
    """Tell the person from the set's gray studio wall, a smooth gradient.

    Returns the picture with the wall's light taken out of half-covered pixels, and the matte.
    """
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1).astype(np.float32)
    wall = (np.abs(x) > 0.36) & (y < 0.1) | (y < -0.44)
    smooth = cv2.GaussianBlur(picture, (0, 0), 1)
    # Twice: the second fit leaves out what the first found to be no wall (hair).
    for _ in range(3):
        fit, *_ = np.linalg.lstsq(terms[wall], smooth[wall], rcond=None)
        off = np.abs(smooth - terms @ fit).max(-1)
        wall = wall & (off < 10)
    person = (off > 14).astype(np.uint8)
    person = cv2.morphologyEx(person, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    # Whatever the wall does not reach from above is the person.
    sea = np.pad(1 - person, 1, constant_values=1)
    sea[-1] = 0
    sea[SIDE // 2 + 220:, 0] = sea[SIDE // 2 + 220:, -1] = 0
    _, labels = cv2.connectedComponents(sea, connectivity=4)
    solid = (labels != labels[0, 0])[1:-1, 1:-1].astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid)
    solid = (labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.float32)
    # Along the edge (hair above all) how much a pixel differs from the wall says how much of it is person.
    solid = cv2.erode(solid, np.ones((3, 3), np.uint8))
    deep = cv2.erode(solid, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15)))
    edge = solid * ((off - 10) / 40).clip(0, 1).astype(np.float32)
    alpha = cv2.GaussianBlur(np.maximum(deep, edge), (0, 0), 0.8)
    part = alpha.clip(0.3, 1)[..., None]
    return ((picture - (1 - part) * (terms @ fit)) / part).clip(0, 255).astype(np.float32), alpha


def place(picture, alpha, wall):
    """Put the person before another wall, given as a picture."""
    alpha = alpha[..., None]
    return picture * alpha + wall * (1 - alpha)
