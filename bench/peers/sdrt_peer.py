# SPDX-License-Identifier: MIT
"""sdrt, through sdbench."""

import json
import subprocess


class Sdrt:
    """facts holds what the last run said of itself."""

    def __init__(self, options):
        self.options = options
        self.facts = {}

    def run(self, work):
        o = self.options
        command = {"unet": "step", "vae": "vae", "image": "generate"}[work]
        call = [o.sdbench, command, "--json", "--iterations", "1", "--threads", str(o.threads)]
        call += ["--arch", o.arch, "--size", o.size]
        if work == "image":
            call += ["--steps", str(o.steps)]
        for name, value in (("-m", o.sdrt_model), ("--isa", o.isa), ("--precision", o.precision)):
            call += [name, value] if value else []
        report = json.loads(subprocess.run(call, check=True, capture_output=True).stdout)
        self.facts = {
            "machine": report["machine"],
            "sdrt": f"commit {report['run']['commit']}, {report['isa']}, {report['precision']},"
            f" {report['run']['compiler']}",
        }
        if work != "image":
            return report["ms"] / 1e3
        stages = {row["name"]: row["ms"] for row in report["stages"]}
        return sum(stages[name] for name in ("text", "denoise", "decode")) / 1e3
