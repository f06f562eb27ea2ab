"""The Face Research Lab London Set as it lies on disk.

Each person has neutral_front/ID_03.jpg with ID_03.tem (a count, then one
"x y" line per landmark) and smiling_front/ID_08.jpg without landmarks.
"""
import glob
import os

import cv2
import numpy as np

# Landmark numbers, counted from 0, that the scripts speak of.
LEFT_PUPIL, RIGHT_PUPIL = 0, 1  # left and right in the picture
NOSE_TIP = 55
MOUTH = list(range(87, 109))
LEFT_CORNER, RIGHT_CORNER = 87, 93
LEFT_JAW_TO_RIGHT = list(range(125, 134))
HAIRLINE = list(range(134, 145))
CHIN = 129
NECK = [183, 184]
# The face without hair, ears and neck, around once.
OUTLINE = HAIRLINE + [112, 113, 114] + LEFT_JAW_TO_RIGHT[::-1] + [111, 110, 109]


class Person:
    """One person: pictures are BGR float32 in 0..255, landmarks (189, 2) in pixels."""

    def __init__(self, folder, number):
        self.id = number
        self.neutral = _picture(folder, "neutral_front", number)
        self.landmarks = _landmarks(folder, number)
        self._folder = folder

    def smiling(self):
        return _picture(self._folder, "smiling_front", self.id)


def _picture(folder, kind, number):
    found = glob.glob(os.path.join(folder, kind, number + "_*.jpg"))
    if len(found) != 1:
        raise SystemExit(f"{folder}/{kind}: want one picture of {number}, found {len(found)}: fetch the London set anew")
    return cv2.imread(found[0]).astype(np.float32)


def _landmarks(folder, number):
    path = os.path.join(folder, "neutral_front", number + "_03.tem")
    with open(path, encoding="ascii") as f:
        words = f.read().split()
    count = int(words[0])
    if count != 189:
        raise SystemExit(f"{path}: {count} landmarks, want 189: this is another template")
    return np.array(words[1:1 + 2 * count], np.float64).reshape(count, 2)
