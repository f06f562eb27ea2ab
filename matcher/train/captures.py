"""Rendered captures of an aligned face: turned, lit, worn, blurred, noisy.

A canvas is a face aligned as the teacher wants it, with a margin: the teacher's
crop of 128 pixels lies MARGIN pixels inside its 160. The student's crop of 112
shows the same part of the face.
"""
import cv2
import numpy as np

CANVAS, TEACHER, STUDENT, MARGIN = 160, 128, 112, 16
TEMPLATE = np.float64([(0.3156, 0.4616), (0.6827, 0.4616), (0.5003, 0.6405), (0.3495, 0.8247), (0.6534, 0.8247)])
ON_CANVAS = TEMPLATE * TEACHER + MARGIN
EYES = TEACHER * 0.3671  # pixels between the eyes on a canvas

_X, _Y = np.meshgrid(np.arange(CANVAS, dtype=np.float32), np.arange(CANVAS, dtype=np.float32))
_CROP = np.stack(np.meshgrid(np.arange(STUDENT), np.arange(STUDENT)), -1).reshape(-1, 2).astype(np.float64)


def align(points, side):
    """The similarity (2, 3) that moves five landmarks onto the template in a crop of the side, with least squares."""
    want, mean = TEMPLATE * side, points.mean(0)
    middle = want.mean(0)
    p, q = points - mean, want - middle
    square = (p ** 2).sum()
    a, b = (p * q).sum() / square, (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum() / square
    turn = np.array([[a, -b], [b, a]])
    return np.c_[turn, middle - turn @ mean]


def _depth(x, y):
    """Of a head with a nose, in canvas pixels; the landmarks' plane lies at about 0.9 eye distances."""
    e, middle, nose = EYES, ON_CANVAS[:2].mean(0), ON_CANVAS[2]
    head = np.sqrt((1 - ((x - middle[0]) / (1.0 * e)) ** 2 - ((y - middle[1] - 0.4 * e) / (1.5 * e)) ** 2).clip(0, None))
    return e * (1.07 * head + 0.25 * np.exp(-((x - nose[0]) / (0.17 * e)) ** 2 - ((y - nose[1]) / (0.24 * e)) ** 2))


_DEPTH = cv2.GaussianBlur(_depth(_X, _Y), (0, 0), 2)


def turned(rng, yaw, pitch):
    """Displacement of every canvas pixel when the head turns, and the five landmarks after it."""
    ty, tp = np.tan(np.radians([yaw, pitch]))
    middle = _DEPTH[int(ON_CANVAS[2][1]) - 8, int(ON_CANVAS[2][0])] * 0.8
    dx = (_DEPTH - middle) * ty - (_X - ON_CANVAS[2][0]) * (1 - np.cos(np.radians(yaw)))
    dy = (_DEPTH - middle) * tp - (_Y - ON_CANVAS[2][1]) * (1 - np.cos(np.radians(pitch)))
    at = ON_CANVAS.round().astype(int)
    points = ON_CANVAS + np.c_[dx[at[:, 1], at[:, 0]], dy[at[:, 1], at[:, 0]]]
    return np.dstack([dx, dy]).astype(np.float32), points


def capture(rng, canvas, strength=1.0):
    """A student's crop (112, 112, 3) uint8 of a canvas, as a camera might have taken it."""
    points, move = ON_CANVAS, None
    if rng.random() < 0.18:
        canvas = glasses(rng, canvas)
    if rng.random() < 0.65 * strength:
        move, points = turned(rng, rng.normal(0, 9 * strength), rng.normal(0, 6 * strength))
    # Landmarks are never where they are meant to be.
    points = points + rng.normal(0, 0.04 * EYES * strength * rng.random(), (5, 2)) + rng.normal(0, 0.012 * EYES, 2)
    back = cv2.invertAffineTransform(align(points, STUDENT))
    where = (_CROP @ back[:, :2].T + back[:, 2]).reshape(STUDENT, STUDENT, 2).astype(np.float32)
    if move is not None:
        where -= cv2.remap(move, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    crop = cv2.remap(canvas, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return sensed(rng, lit(rng, crop.astype(np.float32), strength), strength)


def lit(rng, picture, strength=1.0):
    """Another light: brighter or darker, from a side, warm or cold, hard or flat."""
    side = picture.shape[0]
    line = np.linspace(-1, 1, side, dtype=np.float32)
    if rng.random() < 0.5 * strength:
        across, down = rng.normal(0, 0.25, 2) * strength
        picture = picture * np.maximum(1 + across * np.tanh(1.5 * line)[None, :, None] + down * line[:, None, None], 0.1)
    gamma = np.exp(rng.normal(0, 0.2 * strength))
    gain = np.exp(rng.normal(-0.08, 0.28 * strength))
    tint = np.exp(rng.normal(0, 0.06 * strength, 3)).astype(np.float32)
    picture = cv2.pow(np.float32(picture.clip(0, 255) / 255), gamma) * (255 * gain * tint)
    if rng.random() < 0.3 * strength:
        mean = picture.mean()
        picture = mean + (picture - mean) * rng.uniform(0.6, 1.25)
    if rng.random() < 0.25 * strength:
        gray = picture @ np.float32([0.114, 0.587, 0.299])
        part = rng.random() if rng.random() < 0.6 else 1
        picture = picture * (1 - part) + gray[..., None] * part
    return picture


def sensed(rng, picture, strength=1.0):
    """What optics, sensor and compression make of it; uint8."""
    side = picture.shape[0]
    if rng.random() < 0.35 * strength:
        small = int(side * rng.uniform(0.4, 0.95))
        picture = cv2.resize(cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA), (side, side), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.35 * strength:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.6 * strength:
        noise = rng.standard_normal(picture.shape, dtype=np.float32)
        picture = picture + noise * rng.uniform(1, 8)
    picture = picture.clip(0, 255).astype(np.uint8)
    if rng.random() < 0.5 * strength:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))])
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return picture


def glasses(rng, canvas):
    """Drawn frames, and sometimes tinted or shining lenses."""
    out, e = canvas.astype(np.float32), EYES
    ink = np.float32(rng.uniform(0, 110, 3) if rng.random() < 0.7 else rng.uniform(90, 220, 3))
    wide, high = e * rng.uniform(0.34, 0.46), e * rng.uniform(0.22, 0.38)
    thick, down = int(rng.integers(1, 5)), e * rng.uniform(-0.02, 0.1)
    rim, lens = np.zeros(out.shape[:2], np.float32), np.zeros(out.shape[:2], np.float32)
    square = rng.random() < 0.5
    for eye, way in ((ON_CANVAS[0], -1), (ON_CANVAS[1], 1)):
        x, y = eye + (way * e * 0.02, down)
        if square:
            corners = tuple(np.int32([x - wide, y - high])), tuple(np.int32([x + wide, y + high]))
            cv2.rectangle(lens, *corners, 1, -1)
            cv2.rectangle(rim, *corners, 1, thick, cv2.LINE_AA)
        else:
            cv2.ellipse(lens, ((x, y), (2 * wide, 2 * high), 0), 1, -1)
            cv2.ellipse(rim, ((x, y), (2 * wide, 2 * high), 0), 1, thick, cv2.LINE_AA)
        cv2.line(rim, tuple(np.int32([x + way * wide, y])), tuple(np.int32([x + way * e, y - 0.05 * e])), 1, thick, cv2.LINE_AA)
    y = int(ON_CANVAS[0][1] + down - 0.05 * e)
    cv2.line(rim, (int(ON_CANVAS[0][0] + wide), y), (int(ON_CANVAS[1][0] - wide), y), 1, thick, cv2.LINE_AA)
    if rng.random() < 0.5:
        shade = rng.uniform(0.05, 0.3) * lens[..., None]
        out = out * (1 - shade) + shade * np.float32(255 if rng.random() < 0.4 else 30)
    rim = cv2.GaussianBlur(rim, (0, 0), 0.6)[..., None] * rng.uniform(0.7, 1)
    return (out * (1 - rim) + ink * rim).clip(0, 255).astype(np.uint8)
