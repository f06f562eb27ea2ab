"""Mixtures: convex combinations of people over their landmarks.

Shape and texture are mixed with weights of their own, which gives more faces
that differ; the hair and neck are one contributor's.
"""
import cv2
import numpy as np

from people import SIDE

_GRID = np.mgrid[0:SIDE, 0:SIDE][::-1].transpose(1, 2, 0).astype(np.float32)


def recipe(rng, items, most=4):
    """Who is mixed, and how: people (rows of items), pictures, shape weights, texture weights."""
    count = int(rng.choice(np.arange(1, most + 1), p=np.array([0.12, 0.4, 0.3, 0.18][:most]) / sum([0.12, 0.4, 0.3, 0.18][:most])))
    people = rng.choice(len(items), count, replace=False)
    smile = int(rng.random() < 0.35)
    pictures = items[people, smile]
    shape = rng.dirichlet(np.full(count, 1.2))
    texture = shape if rng.random() < 0.5 else rng.dirichlet(np.full(count, 1.2))
    return people, pictures, shape, texture


def mix(library, pictures, shape, texture):
    """The mixture: BGR and matte (SIDE, SIDE, 4) uint8, and its 189 landmarks."""
    move = sum(w * library.moves[k].astype(np.float32) for w, k in zip(shape, pictures))
    face = sum(w * library.textures[k].astype(np.float32) for w, k in zip(texture, pictures))
    first = library.textures[pictures[0]].astype(np.float32)
    if len(pictures) > 1:
        inside = library.mean.inside
        face = face * inside + _toned(first, face, inside[..., 0] > 0.5) * (1 - inside)
    # Where each pixel of the mixture lies in the mean: the displacement, turned round by iteration.
    back = _GRID - move
    for _ in range(3):
        back = _GRID - cv2.remap(move, back, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    face = cv2.remap(face, back, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    landmarks = sum(w * library.shapes[k] for w, k in zip(shape, pictures))
    return face.clip(0, 255).astype(np.uint8), landmarks


def _toned(first, face, core):
    """The first person's surroundings, with skin moved to the mixture's tone."""
    mean = first[core][:, :3].mean(0)
    shift = face[core][:, :3].mean(0) - mean
    far = ((first[..., :3] - mean) / 45) ** 2
    like = cv2.GaussianBlur(np.exp(-0.5 * far.sum(-1)), (0, 0), 2)[..., None]
    out = first.copy()
    out[..., :3] += like * shift
    return out


def before(picture, wall):
    """The person before a wall, a BGR picture or color."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    return (picture[..., :3] * alpha + np.float32(wall) * (1 - alpha)).astype(np.uint8)
