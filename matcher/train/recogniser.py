"""The recogniser's lessons: canvases with the teacher's templates, and the distillation."""
import multiprocessing
import os

import numpy as np
import torch

from captures import capture
from mixtures import before, mix, recipe
from nets import Recogniser
from state import train
from teachers import Teachers

_CHUNK = 100


def canvases(library, teachers, out, count, workers, progress):
    """Make count mixtures of those to learn from, each with its mirror picture: canvases and templates on disk."""
    folder = os.path.join(out, "canvases")
    os.makedirs(folder, exist_ok=True)
    paths = [os.path.join(folder, f"{n:04d}.npz") for n in range(count // _CHUNK)]
    missing = [(n, p) for n, p in enumerate(paths) if not os.path.exists(p)]
    # Forked: the library is shared, not copied.
    with multiprocessing.get_context("fork").Pool(workers, _begin, (library, teachers)) as pool:
        for done, _ in enumerate(pool.imap_unordered(_chunk, missing), 1):
            progress("mixtures", (len(paths) - len(missing) + done) * _CHUNK, count)
    kept = [np.load(p) for p in paths]
    return np.concatenate([k["canvases"] for k in kept]), np.concatenate([k["templates"] for k in kept])


def _begin(library, folder):
    global _library, _teachers
    _library, _teachers = library, Teachers(folder)


def _chunk(job):
    number, path = job
    rng = np.random.default_rng([1, number])
    items = _library.items(False)
    photographs = items.ravel()
    found, templates = [], []
    while len(found) < 2 * _CHUNK:
        nth = number * _CHUNK + len(found) // 2
        if nth < len(photographs):  # each photograph itself comes once
            pictures, shape, texture = photographs[nth:nth + 1], [1.0], [1.0]
        else:
            _, pictures, shape, texture = recipe(rng, items)
        picture, _ = mix(_library, pictures, shape, texture)
        picture = before(picture, rng.uniform(20, 240, 3))
        faces = _teachers.finder.faces(picture)
        if not faces:
            raise SystemExit("the teacher finds no face in a mixture: look at it")
        canvas, template = _teachers.canvas(picture, faces[0][2])
        mirror = canvas[:, ::-1].copy()
        found += [canvas, mirror]
        templates += [template, _teachers.on_canvas(mirror)]
    with open(path + ".part", "wb") as f:
        np.savez(f, canvases=np.stack(found), templates=np.stack(templates).astype(np.float32))
    os.replace(path + ".part", path)


def learn(pictures, templates, out, images, minutes, batch, workers, progress):
    """Distill: 1 - cosine to the teacher's template, and ten times the squared error of the batch's similarities."""

    def make(seen, count):
        rng = np.random.default_rng([2, seen])
        chosen = rng.choice(len(pictures), count, replace=False)
        return np.stack([capture(rng, pictures[k]) for k in chosen]), templates[chosen]

    def loss(net, crops, want):
        said = torch.nn.functional.normalize(net(crops.permute(0, 3, 1, 2).float()))
        return 1 - (said * want).sum(1).mean() + 10 * ((said @ said.T - want @ want.T) ** 2).mean()

    torch.manual_seed(1)
    net = Recogniser()
    course = train(net, os.path.join(out, "recogniser.pt"), images, batch, minutes * 60, workers, make, loss, progress, "recogniser")
    return net, course
