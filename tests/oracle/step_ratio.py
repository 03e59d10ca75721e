#!/usr/bin/env python3
"""How many times faster is sdrt's guided U-Net step than diffusers' in float32?

  step_ratio.py --sdbench ./sdbench --unet MODELDIR/unet [--rounds 3] [--threads 2]

Both do one evaluation of the U-Net on a batch of 2 at 512x512 with random numbers as input, in
turn (A B A B ...), so that a change in the machine's speed meets both.  Prints each pair, the
median ratio and the versions.  Needs torch and diffusers.
"""

import argparse
import json
import statistics
import subprocess
import time

import diffusers
import torch


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--sdbench", required=True)
    ap.add_argument("--unet", required=True)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()

    torch.set_num_threads(a.threads)
    unet = diffusers.UNet2DConditionModel.from_pretrained(a.unet, torch_dtype=torch.float32)
    unet.eval()
    generator = torch.Generator("cpu").manual_seed(1)
    latent = torch.randn(2, 4, 64, 64, generator=generator)
    text = torch.randn(2, 77, unet.config.cross_attention_dim, generator=generator)
    step = [a.sdbench, "step", "--arch", "sd15", "--size", "512x512", "--iterations", "1"]
    step += ["--threads", str(a.threads), "--json"]

    ratios = []
    with torch.inference_mode():
        unet(latent, 500, text)  # the first call allocates and chooses its kernels
        for i in range(a.rounds):
            start = time.perf_counter()
            unet(latent, 500, text)
            theirs = 1e3 * (time.perf_counter() - start)
            report = json.loads(subprocess.run(step, check=True, capture_output=True).stdout)
            ratios.append(theirs / report["ms"])
            print(
                f"round {i + 1}: diffusers {theirs:.0f} ms, sdrt {report['ms']:.0f} ms"
                f" ({report['isa']}, {100 * report['roof_share']:.1f} % of the roof),"
                f" ratio {ratios[-1]:.2f}",
                flush=True,
            )
    print(
        f"median ratio {statistics.median(ratios):.2f}, {a.threads} threads,"
        f" torch {torch.__version__}, diffusers {diffusers.__version__}"
    )


if __name__ == "__main__":
    main()
