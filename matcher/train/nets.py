"""The two student networks. Both take BGR pictures as they are, 0 to 255."""
import torch
from torch import nn

from teachers import PARTS, STRIDES


def _conv(inputs, outputs, size=3, stride=1, groups=1, active=True):
    layers = [nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.LeakyReLU(0.1, inplace=True)) if active else nn.Sequential(*layers)


class Bottleneck(nn.Module):
    def __init__(self, inputs, outputs, expand, stride=1):
        super().__init__()
        wide = inputs * expand
        self.same = stride == 1 and inputs == outputs
        self.body = nn.Sequential(_conv(inputs, wide, 1), _conv(wide, wide, 3, stride, wide), _conv(wide, outputs, 1, active=False))

    def forward(self, x):
        return x + self.body(x) if self.same else self.body(x)


class Recogniser(nn.Module):
    """MobileFaceNet (Chen et al. 2018) of half its width: 112x112 pixels to 256 numbers."""

    def __init__(self):
        super().__init__()
        layers = [nn.BatchNorm2d(3), _conv(3, 32, 3, 2), _conv(32, 32, 3, 1, 32)]
        width = 32
        for expand, outputs, count, stride in ((2, 32, 5, 2), (4, 64, 1, 2), (2, 64, 6, 1), (4, 64, 1, 2), (2, 64, 2, 1)):
            for n in range(count):
                layers.append(Bottleneck(width, outputs, expand, stride if n == 0 else 1))
                width = outputs
        layers += [_conv(64, 256, 1), nn.Conv2d(256, 256, 7, groups=256, bias=False), nn.BatchNorm2d(256), nn.Conv2d(256, 256, 1)]
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        return self.body(x).flatten(1)


def _unit(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), _conv(outputs, outputs, 3, 1, outputs))


class Detector(nn.Module):
    """Faces and landmarks at strides 8, 16 and 32, with YuNet's outputs: any picture in multiples of 32."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.BatchNorm2d(3), _conv(3, 16, 3, 2), _conv(16, 16, 3, 2, 16), _unit(16, 32), _unit(32, 64), nn.MaxPool2d(2))
        self.eighth = nn.Sequential(_unit(64, 64), _unit(64, 64))
        self.sixteenth = nn.Sequential(nn.MaxPool2d(2), _unit(64, 64), _unit(64, 64))
        self.thirtysecond = nn.Sequential(nn.MaxPool2d(2), _unit(64, 64), _unit(64, 64))
        self.twice = nn.Upsample(scale_factor=2, mode="nearest")
        self.necks = nn.ModuleList(_unit(64, 64) for _ in STRIDES)
        self.heads = nn.ModuleList(nn.Sequential(_unit(64, 64), nn.Conv2d(64, 16, 1)) for _ in STRIDES)
        for head in self.heads:
            nn.init.constant_(head[-1].bias[:2], -4)  # faces are rare

    def forward(self, x):
        """Per stride: (batch, cells, 16): class and object before the sigmoid, box, landmarks."""
        c8 = self.eighth(self.stem(x))
        c16 = self.sixteenth(c8)
        p32 = self.necks[2](self.thirtysecond(c16))
        p16 = self.necks[1](c16 + self.twice(p32))
        p8 = self.necks[0](c8 + self.twice(p16))
        return [head(p).permute(0, 2, 3, 1).flatten(1, 2) for head, p in zip(self.heads, (p8, p16, p32))]


class AsYuNet(nn.Module):
    """The detector with its outputs split and named as YuNet's are."""

    names = [f"{part}_{s}" for part in PARTS for s in STRIDES]

    def __init__(self, detector):
        super().__init__()
        self.detector = detector

    def forward(self, x):
        outs = self.detector(x)
        return tuple([o[..., :1].sigmoid() for o in outs] + [o[..., 1:2].sigmoid() for o in outs] + [o[..., 2:6] for o in outs] + [o[..., 6:] for o in outs])


def export(net, path, side, names):
    """ONNX with batch norms folded, for OpenCV's DNN module."""
    net.eval()
    torch.onnx.export(net, torch.zeros(1, 3, side, side), path, opset_version=11, input_names=["input"], output_names=names)
