# SPDX-License-Identifier: MIT
"""What the comparisons of full-size models with diffusers share: their command line, single passes
of sdprobe, and a denoiser whose f16 weights stay mapped.

Each comparison has parts, functions of the arguments and of a folder for files; over counts the
results that are further than LIMIT from diffusers'.
"""

import argparse
import json
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from transformers import CLIPTokenizer

import compare
import probe
import sd15_build as build
import sd15_reference as reference
import shards

LIMIT = 1e-4
PROMPTS = ["a castle on a hill at sunset, oil painting, highly detailed", "", "blurry, text"]
over = 0


def judge(what, got, want):
    global over
    m = compare.measure(np.load(got).astype(np.float64), want.astype(np.float64))
    over += m["rel"] > LIMIT
    print(f"{what:28} relative L2 {m['rel']:.2e}  max {m['max']:.2e}", flush=True)


def judge_bf16(what, got, theirs, want):
    """sdrt's bf16 beside diffusers' own, which it may not be further off than."""
    global over
    ours, own = (compare.measure(x.astype(np.float64), want.astype(np.float64))["rel"]
                 for x in (np.load(got), theirs))
    over += ours > own
    print(f"{what:28} relative L2 {ours:.2e}, diffusers' bf16 {own:.2e}", flush=True)


def one_pass(a, kind, out, **inputs):
    probe.one_pass(a.sdprobe, a.model or a.folder, kind, out, threads=a.threads, **inputs)


def saved(out, name, tensor):
    np.save(f"{out}/{name}.npy", np.ascontiguousarray(tensor))
    return f"{out}/{name}.npy"


@torch.no_grad()
def compare_text(a, out, i, part, kind, prompts, last=False):
    """Text encoder i, of transformers' kind: the hidden state before the last or the last one, and
    the pooled text where there is one."""
    model = kind.from_pretrained(f"{a.folder}/{part}", dtype=torch.float32).eval()
    where = f"{a.folder}/{part.replace('text_encoder', 'tokenizer')}"
    ids = build.token_ids(CLIPTokenizer.from_pretrained(where), prompts)
    want = model(ids, output_hidden_states=True)
    hidden = want.last_hidden_state if last else want.hidden_states[-2]
    one_pass(a, "text", out, encoder=i, input=saved(out, "in", ids.numpy().astype(np.int32)))
    judge(f"{part} hidden", f"{out}/text.npy", hidden.numpy())
    if hasattr(want, "text_embeds"):
        judge(f"{part} pooled", f"{out}/pooled.npy", want.text_embeds.numpy())


@torch.no_grad()
def vae_part(a, out):
    h, w = map(int, (a.vae_latent or a.latent).split("x"))
    vae = AutoencoderKL.from_pretrained(f"{a.folder}/vae", torch_dtype=torch.float32).eval()
    shape = (1, vae.config.latent_channels, h, w)
    latent = reference.normals(shape, [h, w, 1]) / vae.config.scaling_factor
    want = reference.nhwc(vae.decode(latent).sample)
    one_pass(a, "vae-decode", out, input=saved(out, "in", reference.nhwc(latent)))
    judge(f"vae decode {8 * w}x{8 * h}", f"{out}/decoded.npy", want)


def mapped(kind, folder, part, widen=lambda name: False, dtype=torch.float32):
    """The denoiser of diffusers' kind with its f16 weights as they lie in the file; weights that
    widen(name) takes are of dtype.  Each layer turns its own to dtype, which is exact for f32."""
    config = json.load(open(f"{folder}/{part}/config.json"))
    with torch.device("meta"):
        model = kind.from_config(config)
    state = shards.load(f"{folder}/{part}")
    state |= {k: v.to(dtype) for k, v in state.items() if widen(k)}
    model.load_state_dict(state, assign=True)

    def wide(m):
        return [None if t is None else t.to(dtype) for t in (m.weight, m.bias)]

    for m in model.modules():
        if isinstance(m, torch.nn.Linear):
            m.forward = lambda x, m=m: F.linear(x, *wide(m))
        elif isinstance(m, torch.nn.Conv2d):
            m.forward = lambda x, m=m: F.conv2d(x, *wide(m), m.stride, m.padding)
        elif isinstance(m, torch.nn.GroupNorm):
            m.forward = lambda x, m=m: F.group_norm(x, m.num_groups, *wide(m), m.eps)
        elif isinstance(m, torch.nn.LayerNorm):
            m.forward = lambda x, m=m: F.layer_norm(x, m.normalized_shape, *wide(m), m.eps)
    return model.eval()


def main(doc, parts, families=(), bf16=False):
    """Runs the parts that are asked for, or all; exits 1 where one is over the limit.  bf16: whether
    one of them can be asked for that beside f32."""
    ap = argparse.ArgumentParser(description=doc)
    if families:
        ap.add_argument("family", choices=families)
    ap.add_argument("folder")
    ap.add_argument("--sdprobe", default="./sdprobe")
    ap.add_argument("--model")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--latent", default="128x128")
    ap.add_argument("--vae-latent")
    if bf16:
        ap.add_argument("--bf16", action="store_true")
    ap.add_argument("--part", action="append", choices=list(parts))
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory() as out:
        for part in a.part or parts:
            parts[part](a, out)
    raise SystemExit(int(over > 0))
