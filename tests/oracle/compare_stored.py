#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draw with files whose weights are stored in fewer bits, and with f32 files of what the references
make of the same bytes: ggml's gguf package of its blocks, torch of scaled f8 and int8.

  compare_stored.py FILE [--sdgen ./sdgen] [--sdconvert ./sdconvert]

FILE is a whole checkpoint with original names and CLIP's whole vocabulary, small for choice. Prints
the PSNR of each pair, and how many tensors of what sdconvert writes the package makes the same of.
Exit 1 where a pair is below 50 dB or a tensor differs.
"""

import argparse
import json
import os
import subprocess
import tempfile

import gguf
import numpy as np
import torch
from gguf.constants import GGMLQuantizationType as T
from PIL import Image
from safetensors.torch import load_file, save_file

P = "model.diffusion_model."
F8 = torch.float8_e4m3fn


def is_matrix(name, v):
    return name.startswith(P) and v.dim() == 2 and name.endswith(".weight") and "emb" not in name


def save(state, path):
    save_file({k: v.contiguous().clone() for k, v in state.items()}, path)
    return path


def draw(a, model, out, *more):
    done = subprocess.run([a.sdgen, "-m", model, "-p", "a photo of a small red cat", "-W", "64",
                           "-H", "64", "--steps", "3", "--seed", "7", "--sampler", "euler",
                           "--precision", "f32", "--threads", "1", "--quiet", "--force", "-o", out, *more],
                          capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return np.asarray(Image.open(out)).astype(float)


def psnr(x, y):
    mse = ((x - y) ** 2).mean()
    return float("inf") if mse == 0 else 10 * np.log10(255**2 / mse)


def write_gguf(state, path, kind, reshape):
    """The file, and the values that the package makes of it. reshape: as ComfyUI-GGUF's convert.py."""
    w = gguf.GGUFWriter(path, "sdxl")
    values = {}
    for k, v in state.items():
        x = v.float().numpy()
        name = k.removeprefix(P) if reshape else k
        block = gguf.GGML_QUANT_SIZES[kind][0]
        if reshape and x.ndim > 1 and x.size % 256 == 0 and x.shape[-1] % 256:
            w.add_array(f"comfy.gguf.orig_shape.{name}", tuple(int(n) for n in x.shape))
            x = x.reshape(-1, 256)
        t = kind if k.startswith(P) and x.ndim > 1 and x.shape[-1] % block == 0 else T.F16
        raw = gguf.quants.quantize(x, t)
        w.add_tensor(name, raw, raw_dtype=t)
        values[k] = torch.from_numpy(gguf.quants.dequantize(raw, t).astype(np.float32)).view(v.shape)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return values


def hadamard(size):
    h4 = torch.tensor([[1, 1, 1, -1], [1, 1, -1, 1], [1, -1, 1, 1], [-1, 1, 1, 1]]).double()
    h = torch.ones(1, 1).double()
    while len(h) < size:
        h = torch.kron(h, h4)
    return h / size**0.5


def store(state, how):
    """The tensors as ComfyUI stores them, and their values in f32."""
    out, values = {}, {}
    for k, v in state.items():
        out[k], values[k] = v, v.float()
        if not is_matrix(k, v):
            continue
        stem, x = k.removesuffix(".weight"), v.double()
        if how.startswith("f8"):
            s = (x.abs().max() / 448).float()
            out[k] = (x / s).float().to(F8)
            values[k] = out[k].float() * s
            out[stem + (".scale_weight" if how == "f8 scale_weight" else ".weight_scale")] = s
            note = {"format": "float8_e4m3fn"}
        else:
            group = 64 if x.shape[1] % 64 == 0 else 16
            turned = how == "int8 convrot" and x.shape[1] % group == 0
            h = hadamard(group)
            if turned:
                x = (x.view(len(x), -1, group) @ h).view(x.shape)
            s = (x.abs().amax(1, keepdim=True) / 127).float()
            out[k] = (x / s).round().clamp(-127, 127).to(torch.int8)
            out[stem + ".weight_scale"] = s
            x = out[k].double() * s
            if turned:
                x = (x.view(len(x), -1, group) @ h).view(x.shape)
            values[k] = x.float()
            note = {"format": "int8_tensorwise"}
            if turned:
                note |= {"convrot": True, "convrot_groupsize": group}
        if how != "f8 scale_weight":
            out[stem + ".comfy_quant"] = torch.tensor(list(json.dumps(note).encode()),
                                                      dtype=torch.uint8)
    if how == "f8 scale_weight":
        out[P + "scaled_fp8"] = torch.empty(0, dtype=F8)
    return out, values


def compare_converted(a, state, work, kind):
    """What the package makes of sdconvert's file, and whether it quantises to the same blocks."""
    path = f"{work}/converted.gguf"
    subprocess.run([a.sdconvert, "--quiet", "--type", kind, a.file, path], check=True)
    reader, same, errors = gguf.GGUFReader(path), 0, [0.0]
    for t in reader.tensors:
        x = state[t.name].float().numpy()
        got = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float64).reshape(x.shape)
        errors.append(np.sqrt(((got - x) ** 2).sum() / max((x.astype(np.float64) ** 2).sum(), 1e-300)))
        if t.tensor_type == T.Q8_0:
            same += bool((gguf.quants.quantize(x, T.Q8_0) == t.data).all())
    blocks = sum(t.tensor_type.name.startswith("Q") for t in reader.tensors)
    print(f"sdconvert --type {kind}: the package reads {len(reader.tensors)} tensors of "
          f"{len(state)}, {blocks} of blocks; worst error {max(errors):.4f} of the root mean square"
          + (f"; {same} quantised by the package to the same bytes" if kind == "q8_0" else ""))
    return len(reader.tensors) == len(state) and (kind != "q8_0" or same == blocks)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("file")
    ap.add_argument("--sdgen", default="./sdgen")
    ap.add_argument("--sdconvert", default="./sdconvert")
    a = ap.parse_args()
    state, good = load_file(a.file), True
    with tempfile.TemporaryDirectory() as work:
        for kind in (T.F16, T.BF16, T.Q8_0, T.Q5_0, T.Q5_1, T.Q4_0, T.Q4_1):
            values = write_gguf(state, f"{work}/x.gguf", kind, False)
            x = draw(a, f"{work}/x.gguf", f"{work}/x.png")
            y = draw(a, save(values, f"{work}/y.safetensors"), f"{work}/y.png")
            good &= psnr(x, y) >= 50
            print(f"GGUF, {kind.name}: {psnr(x, y):.1f} dB", flush=True)
        alone = {k: v for k, v in state.items() if k.startswith(P)}
        values = write_gguf(alone, f"{work}/x.gguf", T.Q4_0, True)
        x = draw(a, a.file, f"{work}/x.png", "--unet", f"{work}/x.gguf")
        y = draw(a, save(state | values, f"{work}/y.safetensors"), f"{work}/y.png")
        good &= psnr(x, y) >= 50
        print(f"GGUF, a denoiser alone, reshaped, Q4_0: {psnr(x, y):.1f} dB", flush=True)
        for how in ("f8 scale_weight", "f8 comfy_quant", "int8 rows", "int8 convrot"):
            stored, values = store(state, how)
            x = draw(a, save(stored, f"{work}/x.safetensors"), f"{work}/x.png")
            y = draw(a, save(values, f"{work}/y.safetensors"), f"{work}/y.png")
            good &= psnr(x, y) >= 50
            print(f"safetensors, {how}: {psnr(x, y):.1f} dB", flush=True)
        for kind in ("f16", "q8_0", "q4_k"):
            good &= compare_converted(a, state, work, kind)
    raise SystemExit(not good)


if __name__ == "__main__":
    main()
