#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares a T5 v1.1 encoder of T5-XXL's width, of random weights, with transformers in float32,
and says how much memory sdrt took.

    python3 tests/oracle/compare_t5.py build/tests/t5probe [--layers 2] [--tokens 24]
                                       [--dtype f32|f16|bf16|f8] [--bf16]

T5-XXL has 24 layers. The reference's weights stay mapped as they are stored, and each layer is
float32 while it runs. --bf16 also runs both in bf16, sdrt where the processor has such products: it
may not be further off than transformers. Needs
torch, transformers, safetensors, numpy; disk for the file (bf16: 9.5 GB at 24 layers) and as much
memory to write it.
"""
import argparse
import gc
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


def config_of(layers):
    return transformers.T5Config(
        vocab_size=32128, d_model=4096, d_kv=64, d_ff=10240, num_layers=layers, num_heads=64,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, dropout_rate=0.0)


def empty_model(config):
    with torch.device("meta"):
        return transformers.T5EncoderModel(config).eval()


def draw(config, stored):
    """One tensor after the other, rounded to the type that is stored."""
    torch.manual_seed(5)
    out = {}
    for name, p in empty_model(config).named_parameters():
        scale = 1.0 if "shared" in name or "relative" in name else p.shape[-1] ** -0.5
        x = torch.empty(p.shape).normal_(std=0.3 * scale if ".q." in name else scale)
        if "layer_norm" in name:
            x = 1 + 0.2 * x
        out["t5." + name] = x.to(stored)
    return out


def load(config, path, dtype=None):
    """The model over the mapped file, in that type where one is given."""
    model = empty_model(config)
    state = {k.removeprefix("t5."): v if dtype is None else v.to(dtype)
             for k, v in safetensors.torch.load_file(path).items()}
    model.load_state_dict(state, assign=True, strict=False)
    model.set_input_embeddings(model.shared)
    return model


def widen_while_running(module):
    """The module's parameters are float32 from its call until it returns."""
    def before(m, args):
        m.kept = {p: p.data for p in m.parameters()}
        for p in m.kept:
            p.data = p.data.float()

    def after(m, args, out):
        for p, data in m.kept.items():
            p.data = data
        del m.kept

    module.register_forward_pre_hook(before)
    module.register_forward_hook(after)


@torch.no_grad()
def reference(config, path, ids):
    model = load(config, path)
    for module in (model.shared, *model.encoder.block, model.encoder.final_layer_norm):
        widen_while_running(module)
    return model(ids).last_hidden_state


@torch.no_grad()
def in_bf16(config, path, ids):
    return load(config, path, torch.bfloat16)(ids).last_hidden_state.float()


def ours(args, path, *precision):
    """What sdrt gives, and what it says of itself."""
    command = [args.probe, path[0], "t5", path[1], path[2], *precision]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return torch.from_numpy(numpy.load(path[2])), said


def error(got, want):
    return ((got - want).double().norm() / want.double().norm()).item()


def main():
    args = argparse.ArgumentParser(description=__doc__,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("probe")
    args.add_argument("--layers", type=int, default=2)
    args.add_argument("--tokens", type=int, default=24)
    args.add_argument("--dtype", choices=TYPES, default="f32")
    args.add_argument("--bf16", action="store_true")
    args = args.parse_args()
    torch.set_num_threads(2)
    config = config_of(args.layers)
    ids = torch.randint(0, config.vocab_size, (2, args.tokens))
    with tempfile.TemporaryDirectory() as folder:
        path = [os.path.join(folder, n) for n in ("t5.safetensors", "ids.npy", "out.npy")]
        safetensors.torch.save_file(draw(config, TYPES[args.dtype]), path[0])
        gc.collect()
        numpy.save(path[1], ids.numpy().astype(numpy.int32))
        got, said = ours(args, path)
        want = reference(config, path[0], ids)
        off = error(got, want)
        over = off > 1e-4
        print(f"T5 {args.dtype}: {said}; relative L2 {off:.2e}", flush=True)
        if args.bf16:
            off = error(ours(args, path, "bf16")[0], want)
            own = error(in_bf16(config, path[0], ids), want)
            over |= off > own
            print(f"in bf16: relative L2 {off:.2e}, transformers {own:.2e}")
    return over


if __name__ == "__main__":
    sys.exit(main())
