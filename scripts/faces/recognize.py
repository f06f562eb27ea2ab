"""Face detection (YuNet) and recognition (frr0095) in OpenCV's DNN module."""
import os

import cv2
import numpy as np

# Where frr0095 expects eyes, nose and mouth corners, as parts of its 128 pixel side.
_ANCHORS = np.float32([(0.3156, 0.4616), (0.6827, 0.4616), (0.5003, 0.6405),
                       (0.3495, 0.8247), (0.6534, 0.8247)]) * 128
_SIDE = 640  # the detector's input


class Recognizer:
    def __init__(self, models):
        self._detector = cv2.dnn.readNet(os.path.join(models, "face_detection_yunet_2023mar.onnx"))
        self._recognizer = cv2.dnn.readNet(os.path.join(models, "frr0095.onnx"))

    def five_points(self, picture):
        """Eyes, nose tip and mouth corners of the clearest face: (5, 2), left in the picture first."""
        height, width = picture.shape[:2]
        scale = _SIDE / max(height, width)
        canvas = np.zeros((_SIDE, _SIDE, 3), np.uint8)
        small = cv2.resize(picture.clip(0, 255).astype(np.uint8), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        canvas[:small.shape[0], :small.shape[1]] = small
        self._detector.setInput(cv2.dnn.blobFromImage(canvas))
        best, points = 0.0, None
        for stride in (8, 16, 32):
            names = [f"{part}_{stride}" for part in ("cls", "obj", "kps")]
            cls, obj, kps = (out.reshape(-1, out.shape[-1]) for out in self._detector.forward(names))
            score = np.sqrt(cls[:, 0].clip(0, 1) * obj[:, 0].clip(0, 1))
            cell = int(score.argmax())
            if score[cell] > best:
                row, column = divmod(cell, _SIDE // stride)
                best = float(score[cell])
                points = (kps[cell].reshape(5, 2) + (column, row)) * stride / scale
        if best < 0.6:
            raise SystemExit(f"no face found in a picture made here (best score {best:.2f}): look at it")
        return points

    def template(self, picture):
        """The face as a unit vector of 256 numbers."""
        move, _ = cv2.estimateAffinePartial2D(np.float32(self.five_points(picture)), _ANCHORS, method=cv2.LMEDS)
        crop = cv2.warpAffine(picture.clip(0, 255).astype(np.uint8), move, (128, 128), flags=cv2.INTER_AREA)
        self._recognizer.setInput(cv2.dnn.blobFromImage(crop))
        vector = self._recognizer.forward().ravel()
        return vector / np.linalg.norm(vector)
