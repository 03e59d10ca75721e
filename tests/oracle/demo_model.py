# SPDX-License-Identifier: MIT
"""The small model in diffusers, float32: writes tests/golden/demo-model/*.png, or with
--compare SDGEN prints how near sdgen's images are for ten prompts and seeds.

    python tests/oracle/demo_model.py [--compare build/sdgen]
"""
import argparse
import pathlib
import subprocess
import tempfile
import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

TOP = pathlib.Path(__file__).resolve().parents[2]
PROMPTS = [  # the first three are tests/test_demo_model.c's
    ("a red apple", 1), ("a rocket on a blue background", 2), ("a dog on a green background", 3),
    ("pizza", 4), ("the sun on a black background", 5), ("a cat on a pink background", 6),
    ("a star on a purple background", 7), ("a ghost on an orange background", 8),
    ("a house on a gray background", 9), ("something else", 10)]
GUIDANCE = 3.0


def draw(pipe, prompt, seed):
    image = pipe(prompt, num_inference_steps=20, guidance_scale=GUIDANCE, output_type="np",
                 generator=torch.Generator("cpu").manual_seed(seed)).images[0]
    return Image.fromarray((image * 255).round().astype(np.uint8))


def psnr(a, b):
    error = (np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2
    return 10 * np.log10(255 ** 2 / max(error.mean(), 1e-10))


def compare(pipe, sdgen):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "image.png"
        for prompt, seed in PROMPTS:
            subprocess.run([sdgen, "--precision", "f32", "-m", TOP / "demo-model", "-p", prompt,
                            "--seed", str(seed), "--cfg-scale", str(GUIDANCE),
                            "--sampler", "ddim", "--quiet", "--force", "-o", path], check=True)
            print(f"{psnr(Image.open(path), draw(pipe, prompt, seed)):6.1f} dB  {prompt}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compare", metavar="SDGEN")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pipe = StableDiffusionPipeline.from_pretrained(TOP / "demo-model", torch_dtype=torch.float32)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    if args.compare:
        compare(pipe, args.compare)
        return
    folder = TOP / "tests/golden/demo-model"
    folder.mkdir(parents=True, exist_ok=True)
    for i, (prompt, seed) in enumerate(PROMPTS[:3]):
        draw(pipe, prompt, seed).save(folder / f"{i}.png", optimize=True)


if __name__ == "__main__":
    main()
