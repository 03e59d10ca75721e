# SPDX-License-Identifier: MIT
"""Runs programs, sdprobe above all: the only place that knows its command line."""

import subprocess


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")


def one_pass(sdprobe, model, kind, out, *, precision="f32", threads=2, **inputs):
    """One pass, text, unet, vae-decode or vae-encode, of model; what it gives lies in out."""
    command = [sdprobe, kind, "-m", model, "--precision", precision, "--threads", str(threads),
               "--dump", out]
    for name, value in inputs.items():
        command += [f"--{name}", str(value)]
    run(command)
