"""The recogniser's last layer, solved in closed form.

What gradient descent learned in a short time is good features and a middling
head. Ridge regression from the features to the teacher's templates, over fresh
captures, gives the best head that there is for them.
"""
import os

import numpy as np
import torch
from torch import nn

from captures import capture

_BATCH = 48


def _lesson(net, pictures, seed, numbers):
    rng = np.random.default_rng([7, seed])
    crops = np.stack([capture(rng, pictures[k]) for k in numbers])
    with torch.no_grad():
        return net.body(torch.from_numpy(crops).permute(0, 3, 1, 2).float()).flatten(1)


def solve(net, pictures, templates, out, count, progress):
    """Replace the head by a convolution over the whole map; returns its course.

    A tenth of the captures, of the last tenth of the canvases, chooses the
    strength of the ridge: the strongest whose cosine is within 0.002 of the best.
    """
    path = os.path.join(out, "readout.pt")
    net.eval()
    if not os.path.exists(path):
        targets = torch.from_numpy(templates).double()
        last = len(pictures) * 9 // 10
        rng = np.random.default_rng(8)
        square, cross, tests, total = None, None, [], torch.zeros(256, dtype=torch.float64)
        sums, seen = None, 0
        for n in range(count // _BATCH):
            test = n % 10 == 9
            numbers = rng.integers(last, len(pictures), _BATCH) if test else rng.integers(0, last, _BATCH)
            features = _lesson(net, pictures, n, numbers)
            if test:
                tests.append((features.double(), targets[numbers]))
            else:
                if square is None:
                    square = torch.zeros(features.shape[1], features.shape[1])
                    cross = torch.zeros(features.shape[1], 256)
                    sums = torch.zeros(features.shape[1], dtype=torch.float64)
                square += features.T @ features
                cross += features.T @ targets[numbers].float()
                sums += features.double().sum(0)
                total += targets[numbers].sum(0)
                seen += _BATCH
            progress("readout", (n + 1) * _BATCH, count)
        mean, middle = sums / seen, total / seen
        square = square.double() / seen - torch.outer(mean, mean)
        cross = cross.double() / seen - torch.outer(mean, middle)
        spread = square.diagonal().clamp(min=1e-8).sqrt()
        square, cross = square / torch.outer(spread, spread), cross / spread[:, None]
        features, want = (torch.cat(t) for t in zip(*tests))
        found = []
        for ridge in (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001):
            weights = torch.linalg.solve(square + ridge * torch.eye(len(square), dtype=torch.float64), cross) / spread[:, None]
            said = (features - mean) @ weights + middle
            found.append((torch.nn.functional.cosine_similarity(said, want).mean().item(), ridge, weights))
        best = max(f[0] for f in found)
        cosine, ridge, weights = next(f for f in found if f[0] >= best - 0.002)
        torch.save({"weights": weights.float(), "bias": (middle - mean @ weights).float(), "images": count, "cosine": round(cosine, 4), "ridge": ridge,
                    "tried": [(f[1], round(f[0], 4)) for f in found]}, path)
    kept = torch.load(path)
    head = nn.Conv2d(64, 256, 7)
    head.weight.data, head.bias.data = kept["weights"].T.reshape(256, 64, 7, 7).contiguous(), kept["bias"]
    net.head = head
    return {k: kept[k] for k in ("images", "cosine", "ridge", "tried")}
