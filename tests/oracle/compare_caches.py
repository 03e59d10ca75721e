#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How far images with evaluations that do less are from those of whole ones, beside fewer plain steps of
no less work. Draws COUNT of the small model's captions with sdgen, each with a seed of its own, and prints
of each way its work, and PSNR to the same steps without it, mean and least.

    python3 tests/oracle/compare_caches.py build/sdgen demo-model --count 60 --sampler ddim \\
        deepcache deepcache:every=2 "deepcache --cfg-range 0:0.6"

Each way is a value of --cache with more options behind it, or such options alone.
"""
import argparse
import json
import pathlib
import shlex
import subprocess
import tempfile

import numpy as np
from PIL import Image

TOP = pathlib.Path(__file__).resolve().parents[2]
COLOURS = ("white", "black", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink")


def captions(count):
    rows = [x.split(" ", 1)[1].split("|")[0]
            for x in (TOP / "tools/demo-model/captions.txt").read_text(encoding="utf-8").splitlines()
            if x and not x.startswith("#")]
    step = max(1, len(rows) // count)
    return [f"{r} on a {COLOURS[i % 10]} background" for i, r in enumerate(rows[::step][:count])]


def options_of(way):
    return shlex.split(way) if way.startswith("--") else ["--cache", *shlex.split(way)]


class Drawer:
    def __init__(self, args, folder):
        self.args, self.folder = args, pathlib.Path(folder)
        self.prompts = self.folder / "prompts.txt"
        self.prompts.write_text("\n".join(captions(args.count)) + "\n", encoding="utf-8")
        self.common = [args.sdgen, "-m", args.model, "--sampler", args.sampler, "--cfg-scale",
                       str(args.cfg_scale), "--precision", "f32", *shlex.split(args.more)]

    def draw(self, more):
        """Images of all prompts."""
        subprocess.run([*self.common, "--seed", "1", "--prompt-file", self.prompts, "--force", "--quiet",
                        "-o", self.folder / "x-%04d.png", *more], check=True, capture_output=True)
        return self.take()

    def take(self):
        files = sorted(self.folder.glob("x-*.png"))
        images = [np.asarray(Image.open(f), np.float64) for f in files]
        for f in files:
            f.unlink()
        return images

    def draw_apart(self, more):
        """The same by a run each, and how many evaluations were left out, in the mean."""
        left_out = 0
        for i, prompt in enumerate(self.prompts.read_text(encoding="utf-8").splitlines()):
            out = subprocess.run([*self.common, "--seed", str(1 + i), "-p", prompt, "--force", "--json", "--quiet",
                                  "-o", self.folder / f"x-{i:04d}.png", *more],
                                 check=True, capture_output=True, text=True).stdout
            left_out += json.loads(out)["left_out"]
        return self.take(), left_out / self.args.count

    def work(self, more):
        path = self.folder / "plan.json"
        subprocess.run([*self.common, "-p", "x", f"--plan={path}", "--quiet", "--force", *more], check=True,
                       capture_output=True)
        d = json.loads(path.read_text())["denoising"]
        path.unlink()
        return d["flop"], d["whole_flop"] / d["evaluations"], d["adaptive"]


def psnr(images, wanted):
    return [10 * np.log10(255 ** 2 / max(((a - b) ** 2).mean(), 1e-9)) for a, b in zip(images, wanted)]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("sdgen")
    ap.add_argument("model")
    ap.add_argument("ways", nargs="+")
    ap.add_argument("--count", type=int, default=60)
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--sampler", default="ddim")
    ap.add_argument("--cfg-scale", type=float, default=3.0)
    ap.add_argument("--more", default="", help="options of all runs")
    args = ap.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        d = Drawer(args, folder)
        full = d.draw(["--steps", str(args.steps)])
        print(f"{len(full)} images, {args.sampler}, {args.steps} steps")
        print("| way | work | PSNR mean | least | steps | mean | least |")
        known = {}
        for way in args.ways:
            more = ["--steps", str(args.steps), *options_of(way)]
            flop, one, adaptive = d.work(more)
            if adaptive:
                images, left_out = d.draw_apart(more)
                flop = one * (args.steps - left_out)
            else:
                images = d.draw(more)
            steps = max(1, int(np.ceil(flop / one - 1e-6)))  # plain ones of no less work
            if steps not in known:
                known[steps] = psnr(d.draw(["--steps", str(steps)]), full)
            p, q = psnr(images, full), known[steps]
            print(f"| {way} | {flop / one / args.steps:.3f} | {np.mean(p):.1f} | {np.min(p):.1f} | "
                  f"{steps} | {np.mean(q):.1f} | {np.min(q):.1f} |", flush=True)


if __name__ == "__main__":
    main()
