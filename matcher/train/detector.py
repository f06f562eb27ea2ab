"""The detector's lessons: which cell answers for which face, and what each answer costs."""
import os

import numpy as np
import torch
import torch.nn.functional as F

from nets import Detector
from scenes import SIDE, scene
from state import device, train
from teachers import STRIDES

# The longer side of a picture is reduced to this for the search.
DETECT = 320
# From which a find is a face: a little stricter than YuNet's 0.6, which lets false ones pass here.
MIN_SCORE = 0.7

# Sides of faces, in pixels, that each stride answers for; they overlap.
SIZES = ((0, 44), (28, 110), (84, 1e9))


def targets(boxes, points, side=SIDE):
    """Per cell of all strides: 1 face, 0 none, -1 undecided; its box (corners) and landmarks."""
    parts = []
    for stride, (low, high) in zip(STRIDES, SIZES):
        n = side // stride
        cells = np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1).reshape(-1, 2) * stride
        label, box, five = np.zeros(n * n), np.zeros((n * n, 4)), np.zeros((n * n, 10))
        for b, p in zip(boxes, points):
            width = np.sqrt(np.prod(b[2:] - b[:2]))
            # A cell stands at its corner, as YuNet's; the nearest few answer.
            far = np.abs(cells - (b[:2] + b[2:]) / 2).max(1) / stride
            # A face of about this stride's sizes is left open around its middle; one that is
            # far from them is not there for it.
            if low / 1.3 <= width < high * 1.3:
                label[(far < 2.2) & (label == 0)] = -1
            if low <= width < high:
                answers = far <= 1.0
                label[answers] = 1
                box[answers], five[answers] = b, p.ravel()
        parts.append((label, box, five))
    return [np.concatenate(p) for p in zip(*parts)]


def _cells(side=SIDE):
    stride = np.concatenate([np.full((side // s) ** 2, s) for s in STRIDES])
    at = np.concatenate([np.stack(np.meshgrid(np.arange(side // s), np.arange(side // s)), -1).reshape(-1, 2) for s in STRIDES])
    return torch.from_numpy(at).float().to(device()), torch.from_numpy(stride).float()[:, None].to(device())


def loss(outs, label, box, five, cells):
    """Of a batch: the object at every decided cell, the rest where there is a face."""
    said = torch.cat(outs, 1)
    face = label == 1
    count = face.sum().clamp(min=1)
    at, stride = (part.expand(len(said), -1, -1)[face] for part in cells)
    mine, want, points = said[face], box[face], five[face]
    middle, half = (at + mine[:, 2:4]) * stride, mine[:, 4:6].clamp(max=6).exp() * stride / 2
    low, high = middle - half, middle + half
    common = (torch.min(high, want[:, 2:]) - torch.max(low, want[:, :2])).clamp(min=0).prod(1)
    union = (high - low).prod(1) + (want[:, 2:] - want[:, :2]).prod(1) - common
    hull = (torch.max(high, want[:, 2:]) - torch.min(low, want[:, :2])).prod(1)
    iou = common / union
    size = (want[:, 2:] - want[:, :2]).prod(1, keepdim=True).sqrt()
    landmarks = (at.repeat(1, 5) + mine[:, 6:]) * stride
    off = F.smooth_l1_loss(landmarks / size, points / size, beta=0.02, reduction="sum") / 10
    decided = label >= 0
    object_ = said[..., 1][decided]
    truth = (label[decided] == 1).float()
    chance = object_.sigmoid()
    focus = (truth - chance).abs() ** 2
    found = (focus * F.binary_cross_entropy_with_logits(object_, truth, reduction="none")).sum()
    # The class answers how well the box lies, and nothing elsewhere.
    quality = said[..., 0][decided]
    wanted = torch.zeros_like(label).masked_scatter(face, iou.detach().clamp(0, 1))[decided]
    rated = ((wanted - quality.sigmoid()).abs() ** 2 * F.binary_cross_entropy_with_logits(quality, wanted, reduction="none")).sum()
    return (found + rated + 2 * (2 - iou - union / hull).sum() + 16 * off) / count


def learn(cast, out, images, minutes, batch, workers, progress):
    """Train on scenes with a cast."""

    def make(seen, count):
        rng = np.random.default_rng([4, seen])
        made = [scene(rng, cast) for _ in range(count)]
        wanted = [targets(b, p) for _, b, p in made]
        return np.stack([m[0] for m in made]), *(np.stack([w[k] for w in wanted]).astype(np.float32) for k in range(3))

    cells = _cells()
    torch.manual_seed(2)
    net = Detector()
    course = train(net, os.path.join(out, "detector.pt"), images, batch, minutes * 60, workers, make,
                   lambda net, pictures, *wanted: loss(net(pictures.permute(0, 3, 1, 2).float()), *wanted, cells), progress, "detector")
    return net, course
