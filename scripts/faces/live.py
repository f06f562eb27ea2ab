"""The same mixture as a camera would see it later: turned, lit from elsewhere, noisy."""
import cv2
import numpy as np

from london import CHIN, HAIRLINE, LEFT_CORNER, LEFT_PUPIL, NOSE_TIP, RIGHT_CORNER, RIGHT_PUPIL
from mix import SIDE, warp


def turn(landmarks, yaw, pitch, smirk=0.0):
    """Landmarks of the head turned by yaw and pitch (degrees; right and down in the picture).

    Depth is that of an ellipsoid over the head with a nose on it: enough for the
    few degrees a traveller's head turns while walking at a camera.
    """
    eyes = (landmarks[LEFT_PUPIL] + landmarks[RIGHT_PUPIL]) / 2
    low, high = landmarks[CHIN], landmarks[HAIRLINE].mean(0)
    middle = np.array([eyes[0], (low[1] + high[1]) / 2])
    offset = landmarks - middle
    reach = np.array([105.0, 160.0])
    depth = 115 * np.sqrt((1 - ((offset / reach) ** 2).sum(1)).clip(0, None))
    nose = landmarks - landmarks[NOSE_TIP]
    depth += 26 * np.exp(-(nose[:, 0] / 18) ** 2 - (nose[:, 1] / 26) ** 2)
    yaw, pitch = np.radians(yaw), np.radians(pitch)
    moved = offset.copy()
    moved[:, 0] = offset[:, 0] * np.cos(yaw) + depth * np.sin(yaw)
    moved[:, 1] = offset[:, 1] * np.cos(pitch) + depth * np.sin(pitch)
    # The neck holds: what lies at no depth moves little.
    moved = offset + (moved - offset) * (depth / (depth + 30))[:, None]
    moved += middle
    for corner, way in ((LEFT_CORNER, -1), (RIGHT_CORNER, 1)):
        near = np.exp(-(((landmarks - landmarks[corner]) / (16, 12)) ** 2).sum(1))[:, None]
        moved += smirk * near * np.array([1.6 * way, -1.8])
    return moved


def relight(picture, landmarks, side, warmth, gain):
    """Light from one side (-1 left .. 1 right), warmer or colder (-1..1), brighter or darker."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    middle = (landmarks[LEFT_PUPIL] + landmarks[RIGHT_PUPIL]) / 2
    across = np.tanh((x - middle[0]) / 90)
    down = np.tanh((y - middle[1]) / 260)
    light = gain * (1 + 0.17 * side * across - 0.08 * down)[..., None]
    tint = np.float32([1 - 0.05 * warmth, 1, 1 + 0.05 * warmth])
    return 255 * ((picture.clip(0, 255) / 255) ** 1.08 * light * tint).clip(0, 1)


def live_view(picture, landmarks, alpha, yaw, pitch, smirk, side, warmth, gain):
    """Turn and relight; returns picture and matte."""
    target = turn(landmarks, yaw, pitch, smirk)
    both = warp(np.dstack([picture, alpha * 255]).astype(np.float32), landmarks, target)
    return relight(both[..., :3], target, side, warmth, gain), (both[..., 3] / 255).clip(0, 1)


def grain(picture, seed, strength):
    """Sensor noise, softened as a camera's own processing does."""
    noise = np.random.default_rng(seed).standard_normal(picture.shape).astype(np.float32)
    return picture + strength * cv2.GaussianBlur(noise, (0, 0), 0.7)
