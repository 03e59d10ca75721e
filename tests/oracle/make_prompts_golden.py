#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/prompts: prompts as a1111_prompts.py reads them, and what the tiny SDXL's text
encoders and its U-Net make of that, float32 on the CPU.

    python3 tests/oracle/make_prompts_golden.py [OUTDIR]

cases.json   [{prompt, style, steps, parts: [{weight, stretches: [[last, text index]],
             texts: [{text, ids: [chunks][77]}]}]}]; ids are those of the second encoder
text.npy     of each case, part and text, in order: two channels of each row of the embeddings, rows
             being the chunks of the part's longest text: channels (7 * row) % width and
             (7 * row + width / 2) % width
pooled.npy   the same texts' pooled embeddings, two channels each: case % width and 64 on
image-*.npy  [64,64,3] in [0, 1]
Needs torch, diffusers and transformers; run after make_families.py.
"""
import json
import os
import random
import sys

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler

import a1111_prompts as rules
import families_reference as reference

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = os.path.join(HERE, "../golden/tiny-sdxl")

WRITTEN = [
    "", " ", "a cat", "normal text", "an (important) word", "(unbalanced", "unbalanced)", "[unbalanced",
    "unbalanced]", r"\(literal\]", r"a \\ b \x", "(unnecessary)(parens)",
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", "((((deep))))", "[[[[shallow]]]]",
    "(a:1.3) (b: 0.7 ) (c :1.1)", "(a:+1.5) (b:-0.5) (c:.5) (d:2.)", "a:1.3) b", "(a:b) (a:b:1.2)", "(:1.2)",
    "()", "[]", "(a (b (c:2):1.5):0.5)", "mixed ([a] b)", "(a]b)[c", "a, BREAK b", "a BREAK b BREAK c",
    "BREAK", "BREAK BREAK", "aBREAK b", "BREAKFAST", "a_BREAK", "a,BREAK,b", "x\nBREAK\ny",
    "(a BREAK b:1.2)", "(a BREAK b)", "\uff0cBREAK\u3000b", "a AND b", "a :1.2 AND b:0.5 AND c", "AND",
    "sANDs", "a AND\nb : -0.3", "a cat:1.5", "a:1.5 b", "a AND b:1. AND c:.25", "AND a", "a AND",
    "a [b:c:5] d", "a [b:c:0.5] d", "[b:3]", "a [b: 3]", "a [[[b]]:2]", "[(a:2):3]", "a [b : c : 1] d",
    "a[b:[c:d:2]:1]e", "a [b:.5] c", "a [{b|d{:.5] c", "((a][:b:c [d:3]", "[a|(b:1.1)]", "[fe|]male",
    "[fe|||]male", "[a|b|c] dog", "[a|[b:c:0.5]]", "[a:b:1.0]", "[a:b:0]", "[a:b:-1]", "[a:b:99]",
    "[a::4] b", "[:a:4] b", "[a:4] [b::6]", "a | b [c:d:5]", r"\[a|b\] [c:d:3]", "[a:b:5", "[a:b:x]",
    "[a:b:c:0.3]", "([a:b:3]:1.2)", "[(a|b):c:3]", "(a|b)", "[a:b:1e0]", "[a:b:+3]", "a\\", "[a|b]:1.3",
    "[x:(y:1.2):2] AND z", "caf\u00e9 (na\u00efve:1.2), \u732b BREAK \u00fcber", "!!! (wow!:1.3) !?",
    "a [b|c] AND [d:e:2] :0.7", "[ a : b : 0.25 ] c", "[a\n|b]", "((a:1.2)", "(a:1.2))", "(a)(b)[c](d:0)",
    "word " * 74, "word " * 75, "word " * 76, "w, " * 60, "a b c d e f g h, " * 12, "(x " * 40,
    "long, " + "abcdefgh " * 30, "a" * 90, ",".join("abc" for _ in range(60)),
    "red, " * 20 + "(blue:1.4), " * 20 + "green BREAK " + "far away, " * 10,
]
COMFY = [
    "", "a cat", "(a) b", "((a)) (b:1.3)", "((a:1.3):0.5)", "(a (b:2) c:1.2)", r"\(a\) (b\):1.5)",
    "[a] (b:0)", "a) (b", "(a:x)", "(:1.2) a", "(a:1.2", "(a: 1.4 )", "(a:1e0)", "x(y)z", "word " * 80,
    "a b c, " * 30 + "(d:1.5)", "abcdefghijklmnop" * 12, "(a:-1)", "))((a", "a\nb  (c:0.9)", "(a:b:0.7)",
]
WORDS = ["cat", "red", "a", "of", "stars", "house", ",", "BREAK", "AND", "\\(", "x", "42", "!", "sky:"]


def random_prompt(rng, depth=0):
    out = []
    for _ in range(rng.randint(1, 5)):
        kind = rng.random()
        inner = random_prompt(rng, depth + 1) if depth < 3 and kind < 0.5 else rng.choice(WORDS)
        weight = rng.choice(["1.2", "0.8", ".5", "1", "1.35"])
        other = rng.choice(WORDS)
        out.append(
            rng.choice([f"({inner})", f"[{inner}]", f"({inner}:{weight})", f"[{inner}:{other}:{weight}]",
                        f"[{inner}|{other}]", f"[{inner}:{rng.randint(0, 9)}]", f"[{inner}::0.4]"])
            if kind < 0.5 else rng.choice(WORDS) if kind < 0.95 else rng.choice(":|\\"))
    return rng.choice([" ", "", ", "]).join(out)


class Model:
    def __init__(self):
        self.pipe = reference.load_pipeline(TINY, "sdxl")
        t = self.pipe.tokenizer
        self.begin, self.end = t.bos_token_id, t.eos_token_id
        self.pads = [t.pad_token_id, self.pipe.tokenizer_2.pad_token_id]

    least = 1.0  # of weighted embeddings' mean, as a share of their size: what restoring it divides by

    def ids(self, text):
        return self.pipe.tokenizer(text, add_special_tokens=False, truncation=False)["input_ids"]

    def chunks(self, text, style, encoder):
        pairs, cut = ((rules.weights(text), rules.chunks) if style == "a1111"
                      else (rules.comfy_weights(text), rules.comfy_chunks))
        return cut(pairs, self.ids, self.begin, self.end, self.pads[encoder])

    @torch.no_grad()
    def run(self, encoder, ids):
        model = [self.pipe.text_encoder, self.pipe.text_encoder_2][encoder]
        out = model(torch.tensor(ids), output_hidden_states=True)
        return out.hidden_states[-2], getattr(out, "text_embeds", None)

    def encoder(self, texts, style, encoder):
        """Embeddings [texts, chunks * 77, width] and the first chunk's pooled ones."""
        read = [self.chunks(t, style, encoder) for t in texts]
        empty = rules.padded([], [], self.begin, self.end, self.pads[encoder])
        zs, pooled = [], None
        for i in range(max(map(len, read))):
            now = [c[i] if i < len(c) else empty for c in read]
            z, p = self.run(encoder, [ids for ids, _ in now])
            w = torch.tensor([w for _, w in now])
            if style == "a1111":
                after = (z * w[..., None]).double().mean()
                self.least = min(self.least, float(abs(after) / z.abs().mean()))
                z = rules.emphasize(z, w) if (w != 1).any() else z
            else:
                z = rules.comfy_emphasize(z, w, self.run(encoder, [empty[0]])[0])
            zs.append(z)
            pooled = p if i == 0 else pooled
        return torch.cat(zs, 1), pooled, read

    def encode(self, texts, style):
        a, _, _ = self.encoder(texts, style, 0)
        b, pooled, read = self.encoder(texts, style, 1)
        return torch.cat([a, b], -1), pooled, read


def case_of(model, prompt, style, steps, index, rows, pools):
    split = rules.parts(prompt) if style == "a1111" else [(prompt, 1.0)]
    out = []
    for text, weight in split:
        run = rules.stretches(text, steps) if style == "a1111" else [(steps, text)]
        texts = list(dict.fromkeys(t for _, t in run))
        z, pooled, read = model.encode([t for _, t in run], style)
        first = [[t for _, t in run].index(t) for t in texts]
        width = z.shape[-1]
        for k in first:
            for r in range(z.shape[1]):
                rows.append([z[k, r, 7 * r % width], z[k, r, (7 * r + width // 2) % width]])
            n = pooled.shape[1]
            pools.append([pooled[k, index % n], pooled[k, (index + 64) % n]])
        out.append({"weight": weight, "stretches": [[t, texts.index(x)] for t, x in run],
                    "texts": [{"text": texts[i], "ids": [ids for ids, _ in read[k]]}
                              for i, k in enumerate(first)]})
    return {"prompt": prompt, "style": style, "steps": steps, "parts": out}


IMAGES = {
    "weights": dict(prompt="a (red:1.4) cat, [stars]", negative="(blurry:1.3), " + "bad hands, " * 40,
                    style="a1111", cfg=5.0),
    "long": dict(prompt="a cat, 42 stars, " * 20, negative="blurry", style="a1111", cfg=5.0),
    "and": dict(prompt="a red cat AND a (blue:1.2) dog :0.7 AND " + "far stars, " * 30 + ":0.4",
                negative="[blurry|ugly] hands", style="a1111", cfg=4.0),
    "steps": dict(prompt="a [red:(blue:1.3):0.4] [cat|dog|cow]", negative="[blurry::3]", style="a1111",
                  cfg=5.0),
    "comfy": dict(prompt="a (red:1.4) cat, (stars:0.6)", negative="((bad)) hands", style="comfy", cfg=5.0),
}
STEPS, SEED = 6, 7


@torch.no_grad()
def image(model, case):
    """The web UI's loop: parts and the negative prompt each through the U-Net with its own length."""
    pipe = model.pipe
    scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(STEPS)
    numbers = torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]])
    split = rules.parts(case["prompt"]) if case["style"] == "a1111" else [(case["prompt"], 1.0)]

    def lane(text):
        run = rules.stretches(text, STEPS) if case["style"] == "a1111" else [(STEPS, text)]
        z, pooled, _ = model.encode([t for _, t in run], case["style"])
        return [t for t, _ in run], z, pooled

    lanes = [lane(t) for t, _ in split]
    unwanted = lane(case["negative"])
    most = max(z.shape[1] for _, z, _ in lanes)
    lanes = [(t, torch.cat([z] + [z[:, -1:]] * (most - z.shape[1]), 1), p) for t, z, p in lanes]

    def denoise(x, t, e, one):
        k = rules.text_index(one[0], e)
        added = {"text_embeds": one[2][k:k + 1], "time_ids": numbers}
        return pipe.unet(x, t, one[1][k:k + 1], added_cond_kwargs=added).sample

    size = 64 // pipe.vae_scale_factor
    noise = torch.randn((1, 4, size, size), generator=torch.Generator("cpu").manual_seed(SEED))
    x = noise * scheduler.init_noise_sigma
    for e, t in enumerate(scheduler.timesteps):
        inner = scheduler.scale_model_input(x, t)
        u = denoise(inner, t, e, unwanted)
        out = u.clone()
        for one, (_, weight) in zip(lanes, split):
            out += (denoise(inner, t, e, one) - u) * (weight * case["cfg"])
        x = scheduler.step(out, t, x)[0]
    decoded = pipe.vae.decode(x / pipe.vae.config.scaling_factor).sample
    return ((decoded / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0)).numpy()


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../golden/prompts")
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(1)
    rng = random.Random(11)
    model = Model()
    rows, pools, cases, written = [], [], [], list(WRITTEN)
    while len(cases) < 200:
        prompt = written.pop(0) if written else random_prompt(rng)
        model.least, kept = 1.0, (len(rows), len(pools))
        case = case_of(model, prompt, "a1111", 10, len(cases), rows, pools)
        if model.least > 3e-3:
            cases.append(case)
        else:  # float32 has no six digits of it
            del rows[kept[0]:], pools[kept[1]:]
    for i, prompt in enumerate(COMFY):
        cases.append(case_of(model, prompt, "comfy", 10, i + 200, rows, pools))
    with open(f"{out}/cases.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    np.save(f"{out}/text.npy", np.array(rows, np.float32))
    np.save(f"{out}/pooled.npy", np.array(pools, np.float32))
    for name, case in IMAGES.items():
        np.save(f"{out}/image-{name}.npy", image(model, case).astype(np.float32))


if __name__ == "__main__":
    main()
