"""The two teachers, run in OpenCV: YuNet and frr0095."""
import os

import cv2
import numpy as np

from captures import CANVAS, MARGIN, TEACHER, align

STRIDES = (8, 16, 32)
PARTS = ("cls", "obj", "bbox", "kps")


class Finder:
    """A detector with YuNet's outputs."""

    def __init__(self, path, side, least=0.6):
        self._net, self._side, self._least = cv2.dnn.readNetFromONNX(path), side, least

    def faces(self, picture):
        """Score, box (x, y, w, h) and five landmarks of each face, the largest first, in picture pixels."""
        height, width = picture.shape[:2]
        scale = min(self._side / max(height, width), 1)
        w, h = max(int(width * scale), 1), max(int(height * scale), 1)
        small = cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA)
        small = cv2.copyMakeBorder(small, 0, -h % 32, 0, -w % 32, cv2.BORDER_CONSTANT)
        self._net.setInput(cv2.dnn.blobFromImage(small))
        outs = self._net.forward([f"{p}_{s}" for p in PARTS for s in STRIDES])
        found = []
        for k, stride in enumerate(STRIDES):
            cls, obj, box, kps = (outs[3 * p + k].reshape(-1, n) for p, n in enumerate((1, 1, 4, 10)))
            score = np.sqrt(cls.clip(0, 1) * obj.clip(0, 1))[:, 0]
            for i in np.flatnonzero(score >= self._least):
                cell = np.array(divmod(i, small.shape[1] // stride))[::-1]
                size = np.exp(box[i, 2:]) * stride
                corner = (cell + box[i, :2]) * stride - size / 2
                found.append((float(score[i]), np.r_[corner, size], (kps[i].reshape(5, 2) + cell) * stride))
        if not found:
            return []
        keep = cv2.dnn.NMSBoxes([f[1].tolist() for f in found], [f[0] for f in found], self._least, 0.3)
        across = np.array([w / width, h / height])
        kept = [(found[i][0], found[i][1] / np.tile(across, 2), found[i][2] / across) for i in np.ravel(keep)]
        return sorted(kept, key=lambda f: -f[1][2] * f[1][3])


class Describer:
    """A recogniser: an aligned BGR crop to a vector of length 1."""

    def __init__(self, path, side):
        self._net, self.side = cv2.dnn.readNetFromONNX(path), side

    def template(self, crop):
        self._net.setInput(cv2.dnn.blobFromImage(crop))
        vector = self._net.forward().ravel().copy()
        return vector / np.linalg.norm(vector)

    def of(self, picture, landmarks):
        return self.template(cv2.warpAffine(picture, align(landmarks, self.side), (self.side,) * 2))


class Teachers:
    def __init__(self, folder):
        cv2.setNumThreads(1)
        self.finder = Finder(os.path.join(folder, "face_detection_yunet_2023mar.onnx"), 320)
        self.describer = Describer(os.path.join(folder, "frr0095.onnx"), TEACHER)

    def canvas(self, picture, landmarks):
        """The face aligned for capture(), and its template."""
        move = align(landmarks, TEACHER)
        move[:, 2] += MARGIN
        canvas = cv2.warpAffine(picture, move, (CANVAS, CANVAS), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return canvas, self.on_canvas(canvas)

    def on_canvas(self, canvas):
        return self.describer.template(canvas[MARGIN:MARGIN + TEACHER, MARGIN:MARGIN + TEACHER])
