# SPDX-License-Identifier: MIT
"""ESRGAN's RRDB and Real-ESRGAN's SRVGG as plain torch modules, written from the papers (arXiv:1809.00219,
arXiv:2107.10833), in the names of BasicSR's files."""

import torch
import torch.nn.functional as F
from torch import nn


def conv(i, o):
    return nn.Conv2d(i, o, 3, 1, 1)


class DenseBlock(nn.Module):
    def __init__(self, width, growth):
        super().__init__()
        for k in range(4):
            setattr(self, f"conv{k + 1}", conv(width + k * growth, growth))
        self.conv5 = conv(width + 4 * growth, width)

    def forward(self, x):
        seen = [x]
        for k in range(1, 5):
            seen.append(F.leaky_relu(getattr(self, f"conv{k}")(torch.cat(seen, 1)), 0.2))
        return x + 0.2 * self.conv5(torch.cat(seen, 1))


class ResidualBlock(nn.Module):
    def __init__(self, width, growth):
        super().__init__()
        for k in (1, 2, 3):
            setattr(self, f"rdb{k}", DenseBlock(width, growth))

    def forward(self, x):
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDB(nn.Module):
    """unshuffle: 1 for x4, 2 for x2, 4 for x1, where doublings is 2."""

    def __init__(self, width, growth, blocks, doublings=2, unshuffle=1):
        super().__init__()
        self.doublings, self.unshuffle = doublings, unshuffle
        self.conv_first = conv(3 * unshuffle**2, width)
        self.body = nn.Sequential(*(ResidualBlock(width, growth) for _ in range(blocks)))
        self.conv_body = conv(width, width)
        for i in range(doublings):
            setattr(self, f"conv_up{i + 1}", conv(width, width))
        self.conv_hr = conv(width, width)
        self.conv_last = conv(width, 3)

    def forward(self, x):
        x = self.conv_first(F.pixel_unshuffle(x, self.unshuffle))
        x = x + self.conv_body(self.body(x))
        for i in range(self.doublings):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = F.leaky_relu(getattr(self, f"conv_up{i + 1}")(x), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))


class SRVGG(nn.Module):
    def __init__(self, width, layers, scale):
        super().__init__()
        self.scale = scale
        body = [conv(3, width), nn.PReLU(width)]
        for _ in range(layers):
            body += [conv(width, width), nn.PReLU(width)]
        self.body = nn.Sequential(*body, conv(width, 3 * scale * scale))

    def forward(self, x):
        return F.pixel_shuffle(self.body(x), self.scale) + F.interpolate(
            x, scale_factor=self.scale, mode="nearest")
