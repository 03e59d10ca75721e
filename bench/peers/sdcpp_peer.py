# SPDX-License-Identifier: MIT
"""An already built stable-diffusion.cpp, by what its program prints.

It has no command for one network, so a short image is drawn, and the time of one guided
evaluation or of the decode is taken from its log.
"""

import os
import re
import subprocess
import tempfile

SAMPLING = re.compile(r"sampling completed, taking ([0-9.]+)\s*(ms|s)")
DECODE = re.compile(r"decode_first_stage completed, taking ([0-9.]+)\s*(ms|s)")
TEXT = re.compile(r"get_learned_condition completed, taking ([0-9.]+)\s*(ms|s)")


def seconds(pattern, text):
    found = pattern.findall(text)
    if not found:
        raise RuntimeError(f"stable-diffusion.cpp's log has no line like {pattern.pattern}")
    return sum(float(x) * (1e-3 if unit == "ms" else 1.0) for x, unit in found)


class StableDiffusionCpp:
    warms_up = False  # each call loads anew, and says how long each part took

    def __init__(self, options):
        self.options = options

    def load(self, work):
        """Nothing: see warms_up."""

    def run(self, work):
        o = self.options
        steps = o.steps if work == "image" else 1
        with tempfile.TemporaryDirectory() as folder:
            call = [o.sd_cli, "-m", o.single, "-p", "a photo of a cat", "-t", str(o.threads)]
            call += ["-W", str(o.width), "-H", str(o.height), "--steps", str(steps)]
            call += ["--cfg-scale", str(o.cfg), "--sampling-method", "euler_a", "-s", "1", "-v"]
            call += ["-o", os.path.join(folder, "x.png")]
            done = subprocess.run(call, capture_output=True, text=True, errors="replace")
        log = done.stdout + done.stderr
        if done.returncode:
            raise RuntimeError(f"{o.sd_cli}: exit {done.returncode}: {log.strip()[-120:]}")
        if work == "unet":
            return seconds(SAMPLING, log) / steps
        if work == "vae":
            return seconds(DECODE, log)
        return seconds(TEXT, log) + seconds(SAMPLING, log) + seconds(DECODE, log)

    def version(self):
        done = subprocess.run([self.options.sd_cli, "--version"], capture_output=True, text=True)
        lines = (done.stdout + done.stderr).strip().splitlines()
        return lines[0] if lines else "stable-diffusion.cpp"
