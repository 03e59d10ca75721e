#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/gguf/types.gguf by ggml's gguf package: a tensor of each type that sdrt reads,
of random bytes with finite scales, and beside it, as NAME.f32, what the package makes of it.

    make_gguf_golden.py tests/golden/gguf
"""
import os
import sys

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES
from gguf.constants import GGMLQuantizationType as T

ROWS, COLUMNS = 2, 512
# Where in a block its f16 numbers lie.
HALVES = {T.Q8_0: [0], T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q2_K: [80, 82],
          T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}


def main():
    rng = np.random.default_rng(1)
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    w = gguf.GGUFWriter(f"{folder}/types.gguf", "sd1")
    w.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for t, halves in HALVES.items():
        values, size = GGML_QUANT_SIZES[t]
        raw = rng.integers(0, 256, (ROWS * COLUMNS // values, size), dtype=np.uint8)
        for at in halves:
            scale = (rng.standard_normal(len(raw)) * 0.1).astype(np.float16)
            scale[0] = 6e-8  # the smallest f16
            raw[:, at:at + 2] = scale.view(np.uint8).reshape(-1, 2)
        raw = raw.reshape(ROWS, -1)
        w.add_tensor(t.name, raw, raw_dtype=t)
        w.add_tensor(f"{t.name}.f32", gguf.quants.dequantize(raw, t).astype(np.float32))
    values = rng.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    for t in (T.F16, T.BF16):
        raw = gguf.quants.quantize(values, t)
        w.add_tensor(t.name, raw, raw_dtype=t)
        w.add_tensor(f"{t.name}.f32", gguf.quants.dequantize(raw, t).astype(np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    main()
