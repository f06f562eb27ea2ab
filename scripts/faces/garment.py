"""Clothes, drawn: the London people all wear the same white T-shirt, which no two travellers do."""
import cv2
import numpy as np

from london import CHIN, LEFT_JAW_TO_RIGHT
from mix import SIDE, to_lab


def dress(picture, alpha, landmarks, color, seed):
    """A plain round-necked garment of a BGR color (parts of 1); returns the picture and the matte with its shoulders."""
    x, y = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    chin = landmarks[CHIN]
    jaw = landmarks[LEFT_JAW_TO_RIGHT]
    half = 0.475 * (jaw[:, 0].max() - jaw[:, 0].min())  # of the neckline
    middle, top = (chin[0] + jaw[:, 0].mean()) / 2, chin[1] + 30
    side = np.abs(x - middle)
    dip = 46 * np.sqrt((1 - (side / half) ** 2).clip(0, 1))
    beyond = (side - half).clip(0, None)
    shoulder = top + 0.17 * beyond + 0.0016 * beyond ** 2
    line = np.where(side < half, top + dip, shoulder)
    # White inside the drawn neckline is the photograph's own collar.
    lab = to_lab(picture)
    white = (lab[..., 0] > 55) & (np.hypot(lab[..., 1], lab[..., 2]) < 5)
    collar = cv2.dilate((white & (y > chin[1] + 22) & (side < half)).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    mask = ((y > line) | collar).astype(np.float32)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.0)

    cloth = _cloth(seed, (y - line), side / half)
    painted = 255 * np.float32(color) * cloth[..., None]
    # The chin's shadow and the neckline's own.
    near = np.exp(-((y - line) / 7).clip(0, None) ** 2) * (y > line)
    painted *= 1 - 0.25 * near[..., None]
    neck_shade = 1 - 0.28 * np.exp(-((line - y) / 9).clip(0, None) ** 2) * (y <= line) * (side < half + 6)
    picture = picture * neck_shade[..., None]
    picture = picture * (1 - mask[..., None]) + painted * mask[..., None]
    # Beside the neck only hair may hang: real shoulders and shirts go.
    flank = half + (0.02 * (y - top + 40).clip(0, None) ** 2).clip(0, 10)
    beside = (y > top - 40) & (side > flank) & (lab[..., 0] > 22)
    alpha = alpha * (1 - cv2.GaussianBlur(beside.astype(np.float32), (0, 0), 1.2))
    # Wall and shirt seen through hair and beside the neck.
    pale = (lab[..., 0] > 55) & (np.hypot(lab[..., 1], lab[..., 2]) < 7) & ((side > 92) | (y > chin[1]) & (side > 55))
    alpha = alpha * (1 - cv2.GaussianBlur(cv2.dilate(pale.astype(np.float32), np.ones((3, 3))), (0, 0), 1.2))
    return picture, np.maximum(alpha, mask)


def _cloth(seed, below, across):
    """Lightness around 1: folds, a collar seam, the weave's grain."""
    rng = np.random.default_rng(seed)
    folds = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), sigmaX=34, sigmaY=22)
    folds = 0.09 * folds / folds.std()
    grain = 0.03 * cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), 0.8)
    seam = 0.16 * np.exp(-((below - 15) / 1.6) ** 2) * (across < 1.15)
    fall = 0.12 * np.tanh(below / 120)
    return (1 + folds + grain - seam - fall).clip(0.3, 1.5).astype(np.float32)
