#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/compel: embeddings that compel makes of prompts with the text encoders of the tiny
SD 1.5, SD 2.1 and SDXL, float32 on the CPU.

    python3 tests/oracle/make_compel_golden.py [OUTDIR]

cases.json    [{family, prompt, negative, chunks}]: the rows of both are as many, 77 a chunk
text.npy      of each case, first the prompt's and then the negative one's: two channels of each row,
              (7 * row) % width and (7 * row + width / 2) % width
pooled.npy    the same of SDXL's: two channels each of the pooled text, case % width and case + 64
refused.json  [[prompt, a word of the refusal]] of what compel takes for text, or fails at
Needs torch, diffusers, transformers and compel 2.5; run after make_families.py and make_tiny.py.
"""
import json
import os
import random
import sys

import numpy as np
import torch
import pyparsing
from compel import Compel, CompelForSD, CompelForSDXL

import families_reference as reference

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "../golden")

LONG = "a picture of many things. " + "word " * 60 + ", another, " + "thing " * 40 + "end; last"
WRITTEN = [
    "", " ", "a cat", "a cat++", "a cat--", "a cat+ playing with a ball-- in the forest", "cat+++ dog",
    "a (red cat)1.4", "a (red cat)0.5", "a (red cat)0", "a (red cat)1", "a (red cat).7 runs",
    "a ((red)1.2 cat)0.5", "(a (b (c)1.5)0.8)1.1 d", "(((deep)+)+)+ (deep)+++", "(a, b. c)++, d",
    '"a cat"++ sits', '"a (cat)++ sits"0.9', 'a "cat, dog" here', '"say \\"hi\\""+ to me', '"unclosed',
    "(a cat).attend(1.3)", "cat.attend(0.8) dog", "(cat) .attend( ++ )", "word.attend(--)",
    "a well-known thing", "C++ code", "a + b", "a -- b", "word+more", "word++more", "++", "-", "+a -b",
    "(a + b)++", "(unclosed++", "closed)++", "()", "()++", "(a) 1.3", "(a)1.3.5", "(a)+1.5", "(a)-0.5",
    "a,b,c", "a,,b", "a , b", "x=1", "(x=1)1.2", r"a \(b\) c", r"(a \(b\) \+c\, d)1.3", r"\++ a", r"a\b (c\d)+",
    "(caf\u00e9 na\u00efve)1.2, \u732b+ \u00fcber", "! wow! (yes!)++", "a 1.5 m (tall 1.5 man)0.6", "UPPER++ Case",
    '("a cat", "a dog").and()', '("a cat", "a dog").and(1, 0.5)', '("a cat++", "a (dog)0.5").and(0.8,1.2)',
    "(cat, dog).and()", "(cat, dog).add(2, -0.5)", '("one").and(0.3)',
    '("a cat", "a dog").blend(1, 1)', '("a cat", "a dog").blend(0.7,0.3)', '("a", "b", "c").blend()',
    '("a cat", "a dog").blend(1, -0.5)', '("a cat", "a dog").blend(1, 0.8, no_normalize)',
    '("a (cat)0.6", "(b)++ c").blend(2, 1)', '((a cat), "dog").blend(1,2)', '("", "b").blend(1, 1)',
    ' ( "a" , "b" ) .blend ( 1 , 2 ) ', '("x = (y", "z").blend(1,3)', "(one).blend()",
    "word " * 75, "word " * 76, "word " * 160, "w, " * 60, "a b c d e f. " * 13, "a" * 300, "(x " * 10,
    LONG, "first. " + "(" + "word " * 90 + ")0.5 last", "a. " * 20 + "(bad thing)0.3, " * 12,
    '("' + "w, " * 60 + '", "a dog").blend(1, 2)', '("' + "w, " * 60 + '", "a dog").and(1, 0.5)',
    "(a)0.2 (b)0.3 (c)0.4 d (e)1.5", "(a)0.00001 b", "red, (blue)1.3, (green)0.7", "a\nb\t(c)+", "(a\nb)+",
    "cat++, dog--, (a bird)1.1", "[a] {b} <c> (d:1.3)", "a;b:c", "(a;b:c)-",
]
REFUSED = [
    ["a cat.swap(dog)", "swap"], ["a (big cat).swap(small dog, s_end=0.5)", "swap"], ["withLora(x, 0.5) cat", "Lora"],
    ["cat useLora(x)", "Lora"], ['("a", "b").and() tail', "nothing else"], ['("a", "b").blend(1,1) tail', "nothing"],
    ['head ("a", "b").blend(1,1)', "before it"], ["(a b).and()", "before it"], ['("a", "b").blend(1)', "for each"],
    ['("a", "b").and(1, 2, 3)', "for each"], ['("a", "b").and(x, y)', "for each"], ['("a", "b").blend(1, 1,)', "each"],
    ['("a", "b").blend(1, -1)', "not 0"], ['((), "b").blend(1, 1)', "words in each"], ["a.attend(x)", "attend"],
    ['("a cat.swap(dog)", "b").blend(1,1)', "swap"], ["(" * 60 + "a" + ")" * 60, "open brackets"],
    ["example.blend(1,2)", "before it"],
]
WORDS = ["cat", "red", "a", "of", "stars", "house", ",", ".", "x", "42", "sky", "\\(", "well-known"]


def random_prompt(rng, depth=0):
    out = []
    for _ in range(rng.randint(1, 5)):
        kind = rng.random()
        if depth < 3 and kind < 0.5:
            inner = random_prompt(rng, depth + 1)
            out.append(f"({inner})" + rng.choice(["1.2", "0.8", ".5", "", "+", "--", "++", "1", ".attend(1.3)"]))
        else:
            out.append(rng.choice(WORDS) + rng.choice(["", "", "", "+", "-", "++"]))
    return " ".join(out)


def takes_for_text(prompt):
    """Whether compel takes an operator for text, where sdrt refuses."""
    parts = Compel.parse_prompt_string(prompt).prompts
    return any(".attend" in piece.text for part in parts for piece in part.children)


def samples(z, row0, rows):
    width = z.shape[-1]
    for r in range(z.shape[1]):
        rows.append([z[row0, r, 7 * r % width], z[row0, r, (7 * r + width // 2) % width]])


class Family:
    def __init__(self, name):
        self.name = name
        pipe = reference.load_pipeline(os.path.join(GOLDEN, "tiny-" + name),
                                       "sdxl" if name == "sdxl" else "sd21")
        self.compel = CompelForSDXL(pipe) if name == "sdxl" else CompelForSD(pipe)

    @torch.no_grad()
    def case(self, prompt, negative, index, rows, pools):
        out = self.compel(prompt, negative_prompt=negative)
        samples(out.embeds, 0, rows)
        samples(out.negative_embeds, 0, rows)
        if out.pooled_embeds is not None:
            for p in (out.pooled_embeds, out.negative_pooled_embeds):
                n = p.shape[1]
                pools.append([p[0, index % n], p[0, (index + 64) % n]])
        return {"family": self.name, "prompt": prompt, "negative": negative, "chunks": out.embeds.shape[1] // 77}


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(GOLDEN, "compel")
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(1)
    pyparsing.ParserElement.enable_packrat()  # else nested brackets take exponentially long
    rng = random.Random(17)
    families = [Family(name) for name in ("sdxl", "sd15", "sd21")]
    prompts = list(WRITTEN)
    while len(prompts) < 202:
        prompt = random_prompt(rng)
        if not takes_for_text(prompt):
            prompts.append(prompt)
    rows, pools, cases, failed = [], [], [], []
    for i, prompt in enumerate(prompts):
        negative = rng.choice(["", "bad (hands)0.5", "blurry+", "w, " * 60])
        for family in (families[(0, 1, 0, 2)[i % 4]], families[1]):
            kept = len(rows), len(pools)
            try:
                cases.append(family.case(prompt, negative, len(cases), rows, pools))
                break
            except (AttributeError, TypeError, IndexError) as e:
                # compel fails at weights of .and() for SDXL, and at pieces without words
                del rows[kept[0]:], pools[kept[1]:]
                failed.append((family.name, prompt, repr(e)))
    print(len(cases), "cases; compel failed at:", *failed, sep="\n")
    with open(f"{out}/cases.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    with open(f"{out}/refused.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c) for c in REFUSED) + "\n]\n")
    np.save(f"{out}/text.npy", np.array(rows, np.float32))
    np.save(f"{out}/pooled.npy", np.array(pools, np.float32))


if __name__ == "__main__":
    main()
