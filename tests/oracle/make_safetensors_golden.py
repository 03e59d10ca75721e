# SPDX-License-Identifier: MIT
"""Writes tests/golden/all_dtypes.safetensors with the reference implementation.

Every element type that sdrt knows holds the values 0 and 1.
Needs torch and safetensors; run from the top of the tree.
"""
import torch
from safetensors.torch import save_file

TYPES = {
    "f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16,
    "i64": torch.int64, "i32": torch.int32, "u8": torch.uint8, "i8": torch.int8,
    "bool": torch.bool, "f8_e4m3": torch.float8_e4m3fn, "f8_e5m2": torch.float8_e5m2,
}
save_file({name: torch.tensor([0.0, 1.0]).to(t) for name, t in TYPES.items()},
          "tests/golden/all_dtypes.safetensors", metadata={"writer": "reference"})
