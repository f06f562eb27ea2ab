"""Landmarks of a smiling photograph, carried over from the same person's neutral one.

The set has landmarks for neutral faces only. Two photographs of one sitting
differ by a small movement of the head, which five detected points undo, and by
the expression, which dense optical flow follows.
"""
import cv2
import numpy as np

from london import MOUTH
from mix import SIDE


def smiling_landmarks(person, recognizer):
    """The smiling picture and its 189 landmarks."""
    smiling = person.smiling()
    before = recognizer.five_points(person.neutral)[:3]  # eyes and nose: the mouth moves by itself
    after = recognizer.five_points(smiling)[:3]
    move, _ = cv2.estimateAffinePartial2D(np.float32(before), np.float32(after), method=cv2.LMEDS)
    aligned = cv2.warpAffine(person.neutral, move, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    shape = person.landmarks @ move[:, :2].T + move[:, 2]
    flow = _flow(aligned, smiling)
    steps = np.array([flow[int(y), int(x)] for x, y in shape.round().clip(0, SIDE - 1)])
    mouth = np.zeros(len(shape), bool)
    mouth[MOUTH] = True
    # Outside the mouth neighbors move together: smooth what flow made of flat skin.
    for k in range(len(shape)):
        distance = np.hypot(*(shape - shape[k]).T)
        near = np.argsort(distance)[: 3 if mouth[k] else 7]
        steps[k] = np.median(steps[near], axis=0)
    return smiling, shape + steps


def _flow(first, second):
    gray = [cv2.GaussianBlur(cv2.cvtColor(p.clip(0, 255).astype(np.uint8), cv2.COLOR_BGR2GRAY), (0, 0), 1.2)
            for p in (first, second)]
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return dis.calc(gray[0], gray[1], None)
