#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes textual inversions of random numbers, and what the tiny models' text encoders make of a prompt
that names them, by A1111's rules and in float32.

    python3 tests/oracle/make_vectors_golden.py [OUTDIR]      (OUTDIR: ../golden/prompts)

sd15/alpha.pt       as the web UI trains them, 2 vectors     sd15/inner/beta.bin   diffusers', 1
sd15/gamma.safetensors  ComfyUI's emb_params, 3              sdxl/pair.safetensors clip_l and clip_g, 2
vectors-sd15.npy, vectors-sdxl.npy   [77][width]; vectors-pooled.npy   SDXL's pooled text
"""
import os
import sys

import numpy as np
import safetensors.torch
import torch
from diffusers import StableDiffusionPipeline

import a1111_prompts as rules
import families_reference as reference

HERE = os.path.dirname(os.path.abspath(__file__))
PROMPTS = {"sd15": ("a alpha cat, (beta:1.3), embedding:gamma [stars] ALPHA", ["alpha", "beta", "gamma"]),
           "sdxl": ("a (pair:0.7) cat, pairs of 42 stars, embedding:pair!", ["pair"])}


def write(out):
    g = torch.Generator().manual_seed(5)
    draw = lambda *shape: torch.randn(shape, generator=g) * 0.5
    for folder in ("sd15/inner", "sdxl"):
        os.makedirs(f"{out}/{folder}", exist_ok=True)
    alpha, beta, gamma, low, high = draw(2, 64), draw(64), draw(3, 64), draw(2, 64), draw(2, 128)
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": alpha}, "name": "other",
                "step": 500, "sd_checkpoint": None, "sd_checkpoint_name": None},
               f"{out}/sd15/alpha.pt")
    torch.save({"<beta>": beta}, f"{out}/sd15/inner/beta.bin")
    safetensors.torch.save_file({"emb_params": gamma}, f"{out}/sd15/gamma.safetensors")
    safetensors.torch.save_file({"clip_l": low, "clip_g": high.half()}, f"{out}/sdxl/pair.safetensors")
    return {"alpha": [alpha], "beta": [beta[None]], "gamma": [gamma], "pair": [low, high.half().float()]}


def place(prompt, names, encode, vectors, encoder):
    """Tokens with vectors in the place of names, and their weights."""
    known = sorted(((encode(n), vectors[n][encoder]) for n in names), key=lambda w: -len(w[0]))
    out, weights = [], []
    for text, weight in rules.weights(prompt):
        ids = encode(text.replace("embedding:", " "))
        while ids:
            word = next((w for w in known if ids[:len(w[0])] == w[0]), None)
            put = list(word[1]) if word else ids[:1]
            out += put
            weights += [weight] * len(put)
            ids = ids[len(word[0]) if word else 1:]
    return out, weights


@torch.no_grad()
def run(model, tokens, weights, begin, end, pad, hidden):
    ids, w = rules.padded([0 if torch.is_tensor(t) else t for t in tokens], weights, begin, end, pad)
    table = model.get_input_embeddings()
    plain = table.forward

    def look_up(x):
        y = plain(x)
        for i, t in enumerate(tokens):
            if torch.is_tensor(t):
                y[0, i + 1] = t
        return y
    table.forward = look_up
    out = model(torch.tensor([ids]), output_hidden_states=True)
    table.forward = plain
    z = out.hidden_states[-2] if hidden else out.last_hidden_state
    return rules.emphasize(z, torch.tensor([w])), getattr(out, "text_embeds", None)


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../golden/prompts")
    torch.set_num_threads(1)
    vectors = write(out)
    xl = reference.load_pipeline(f"{HERE}/../golden/tiny-sdxl", "sdxl")
    one = StableDiffusionPipeline.from_pretrained(
        f"{HERE}/../golden/tiny-sd15", dtype=torch.float32, local_files_only=True,
        safety_checker=None, feature_extractor=None)
    for family, pipe in (("sd15", one), ("sdxl", xl)):
        prompt, names = PROMPTS[family]
        t = pipe.tokenizer
        encode = lambda text: t(text, add_special_tokens=False)["input_ids"]
        encoders = [(pipe.text_encoder, t.pad_token_id)]
        if family == "sdxl":
            encoders.append((pipe.text_encoder_2, pipe.tokenizer_2.pad_token_id))
        zs = []
        for k, (model, pad) in enumerate(encoders):
            tokens, weights = place(prompt, names, encode, vectors, k)
            z, pooled = run(model, tokens, weights, t.bos_token_id, t.eos_token_id, pad, family == "sdxl")
            zs.append(z)
        np.save(f"{out}/vectors-{family}.npy", torch.cat(zs, -1)[0].numpy())
    np.save(f"{out}/vectors-pooled.npy", pooled[0].numpy())


if __name__ == "__main__":
    main()
