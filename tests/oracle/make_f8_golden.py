#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/f8: what torch makes of each of the 256 bytes as an 8-bit float, in f32.

    python3 tests/oracle/make_f8_golden.py
"""
import os

import numpy
import torch

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "f8")

os.makedirs(OUT, exist_ok=True)
every = torch.arange(256, dtype=torch.uint8)
for name, dtype in (("e4m3", torch.float8_e4m3fn), ("e5m2", torch.float8_e5m2)):
    numpy.save(os.path.join(OUT, name + ".npy"), every.view(dtype).float().numpy())
