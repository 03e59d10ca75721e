#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares a T5 v1.1 encoder of T5-XXL's width, of random weights and few layers, with transformers
in float32, and says how much memory sdrt took.

    python3 tests/oracle/compare_t5.py build/tests/t5probe [--layers 2] [--dtype f32|f16|bf16|f8]

Needs torch, transformers, safetensors, numpy; 4 GB of memory and of disk for two layers in f32.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy
import safetensors.torch
import torch
import transformers

TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16,
         "f8": torch.float8_e4m3fn}


def main():
    args = argparse.ArgumentParser()
    args.add_argument("probe")
    args.add_argument("--layers", type=int, default=2)
    args.add_argument("--tokens", type=int, default=24)
    args.add_argument("--dtype", choices=TYPES, default="f32")
    args = args.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(5)
    config = transformers.T5Config(
        vocab_size=32128, d_model=4096, d_kv=64, d_ff=10240, num_layers=args.layers, num_heads=64,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, dropout_rate=0.0)
    with torch.device("meta"):
        model = transformers.T5EncoderModel(config)
    model = model.to_empty(device="cpu").eval()
    model.set_input_embeddings(model.shared)
    stored = TYPES[args.dtype]
    with torch.no_grad():
        for name, p in model.named_parameters():
            scale = 1.0 if "shared" in name or "relative" in name else p.shape[-1] ** -0.5
            p.normal_(std=0.3 * scale if ".q." in name else scale)
            if "layer_norm" in name:
                p.mul_(0.2).add_(1)
            p.copy_(p.to(stored).float())
    weights = {"t5." + k: v.to(stored) for k, v in model.state_dict().items() if "embed_tokens" not in k}
    ids = torch.randint(0, config.vocab_size, (2, args.tokens))
    with tempfile.TemporaryDirectory() as folder:
        path = [os.path.join(folder, n) for n in ("t5.safetensors", "ids.npy", "out.npy")]
        safetensors.torch.save_file(weights, path[0])
        del weights
        numpy.save(path[1], ids.numpy().astype(numpy.int32))
        ours = subprocess.run([args.probe, path[0], "t5", path[1], path[2]], check=True,
                              capture_output=True, text=True).stdout.strip()
        got = torch.from_numpy(numpy.load(path[2]))
    with torch.no_grad():
        want = model(ids).last_hidden_state
    error = ((got - want).double().norm() / want.double().norm()).item()
    print(f"T5 {args.dtype}: {ours}; relative L2 {error:.2e}")
    return error > 1e-4


if __name__ == "__main__":
    sys.exit(main())
