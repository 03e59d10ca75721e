#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many times as fast as other programs is sdrt at the same work?

  peers.py --sdbench build/sdbench --diffusers FOLDER [--sd-cli PATH --single FILE]
           [--peers NAMES] [--work NAMES] [--arch sd15] [--rounds 3] [--threads 2]
           [-o FILE.json]

Work: "unet" is one evaluation of the denoiser, a U-Net or an MMDiT, on a batch of 2, "vae" one
decode, "image" a whole image of SD 1.5 (text, steps with guidance, decode) from a loaded model.
--arch is sdrt's name for what lies in FOLDER; stable-diffusion.cpp runs SD 1.5 only.  Peers:
torch-f32, torch-bf16, compile-f32, compile-bf16 (diffusers, eager and torch.compile), openvino-f32,
openvino-bf16 (static shapes, converted from the torch modules), openvino-int8 (the denoiser
quantised by NNCF, which takes many minutes unless --nncf has it) and sdcpp (an already built
stable-diffusion.cpp, which is best configured with GGML_LLAMAFILE=ON).  Sizes, steps, guidance and
threads are the same for all; the weights are random, those of the model given and, for sdrt, drawn
by sdbench unless --sdrt-model names a checkpoint.

Each peer is loaded alone, in a process of its own, and runs in turn with sdrt (A B A B ...), so
that a change in the machine's speed meets both; with --together all are loaded, and each round
has one run of each.  With --ir OpenVINO reads its networks from files, as people have them, which
halves the memory that SDXL takes; they are made where the folder lacks them.  --error adds how
far a peer's output is from torch's in float32 (relative L2; of sdrt `sdbench error` tells that).
Prints each pair, then a Markdown table of the median times and ratios with the versions.  Needs
torch and diffusers, openvino for its peers, nncf for its int8.
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import sys
import time
import warnings

from sdrt_peer import Sdrt


def make(name, options):
    """The peer called name; its libraries are imported only in the process that runs it."""
    if name == "sdcpp":
        from sdcpp_peer import StableDiffusionCpp

        return StableDiffusionCpp(options)
    library, _, precision = name.partition("-")
    if name == "openvino-int8":
        from nncf_peer import OpenVinoInt8

        return OpenVinoInt8(options)
    if library == "openvino":
        from openvino_peer import OpenVino

        return OpenVino(options, precision)
    from torch_peer import Torch

    return Torch(options, precision, compiled=library == "compile")


PEERS = ["torch-f32", "torch-bf16", "compile-f32", "compile-bf16"]
PEERS += ["openvino-f32", "openvino-bf16", "openvino-int8", "sdcpp"]
WORK = ["unet", "vae", "image"]


def serve(pipe, name, options, work):
    """The child: loads, warms up, then answers each "run" with seconds."""
    warnings.simplefilter("ignore")  # tracing a network gives dozens
    try:
        peer = make(name, options)
        peer.load(work)
        pipe.send(("first", peer.run(work) if peer.warms_up else None))
        while (what := pipe.recv()) != "end":
            pipe.send((what, peer.run(work) if what == "run" else peer.output()))
        pipe.send(("version", peer.version()))
    except EOFError:
        pass
    except Exception as error:  # whatever a peer fails of, the others go on
        pipe.send(("failed", f"{type(error).__name__}: {error}".splitlines()[0][:200]))


class Child:
    """A peer in a process of its own."""

    def __init__(self, name, options, work):
        context = multiprocessing.get_context("spawn")
        self.pipe, end = context.Pipe()
        self.limit = options.limit
        self.process = context.Process(target=serve, args=(end, name, options, work), daemon=True)
        self.process.start()
        end.close()

    def answer(self):
        if not self.pipe.poll(self.limit):
            raise RuntimeError(f"no answer in {self.limit:.0f} s")
        try:
            kind, value = self.pipe.recv()
        except (EOFError, ConnectionError):
            raise RuntimeError("its process died") from None
        if kind == "failed":
            raise RuntimeError(value)
        return value

    def ask(self, what):
        self.pipe.send(what)
        return self.answer()

    def close(self):
        self.process.terminate()
        self.process.join()


def relative_error(x, exact):
    """Of arrays, in the L2 norm."""
    x, exact = x.astype("f8"), exact.astype("f8")
    return float((((x - exact) ** 2).sum() / (exact**2).sum()) ** 0.5)


def exact_output(work, options):
    """What torch makes of the timed inputs in float32; None where it fails."""
    child = Child("torch-f32", options, work)
    try:
        child.answer()
        return child.ask("output")
    except RuntimeError as error:
        print(f"{work}: no errors: torch-f32: {error}", file=sys.stderr, flush=True)
        return None
    finally:
        child.close()


def compare(names, work, sdrt, options, exact=None):
    """A row for each of the peers: rounds of sdrt and them in turn, and their errors."""
    rows, children = {}, {}

    def ask(name, question):
        """The answer of a peer that has not failed; None of one that has."""
        try:
            return question(children[name]) if name in children else None
        except RuntimeError as error:
            rows[name]["failed"] = str(error)
            print(f"{work}: {name}: {error}", file=sys.stderr, flush=True)
            children.pop(name).close()
            return None

    try:
        for name in names:
            rows[name] = {"peer": name, "work": work}
            rows[name].update({"seconds": [], "sdrt_seconds": [], "ratios": []})
            children[name] = Child(name, options, work)
            rows[name]["first_seconds"] = ask(name, Child.answer)
        for i in range(options.rounds):
            if not children:
                break
            ours = sdrt.run(work)
            for name in names:
                theirs = ask(name, lambda child: child.ask("run"))
                if theirs is None:
                    continue
                rows[name]["sdrt_seconds"].append(ours)
                rows[name]["seconds"].append(theirs)
                rows[name]["ratios"].append(theirs / ours)
                print(
                    f"{work} round {i + 1}: {name} {theirs:.2f} s, sdrt {ours:.2f} s,"
                    f" ratio {theirs / ours:.2f}",
                    file=sys.stderr,
                    flush=True,
                )
        for name in names:
            if exact is not None and name != "sdcpp":
                output = ask(name, lambda child: child.ask("output"))
                rows[name]["error"] = None if output is None else relative_error(output, exact)
            rows[name]["version"] = ask(name, lambda child: child.ask("end"))
    finally:
        for child in children.values():
            child.close()
    return list(rows.values())


def markdown(document):
    """The table for people."""
    lines = [f"{key}: {value}" for key, value in document["run"].items()]
    error = any(row.get("error") is not None for row in document["rows"])
    lines += ["", "| work | peer | peer, s | sdrt, s | ratio | lowest | highest |"]
    lines += ["|---|---|---:|---:|---:|---:|---:|"]
    lines[-2] += " error | version |" if error else " version |"
    lines[-1] += "---:|---|" if error else "---|"
    for row in document["rows"]:
        cells = [row["work"], row["peer"]]
        if row["ratios"]:
            cells += [f"{statistics.median(row[k]):.2f}" for k in ("seconds", "sdrt_seconds")]
            cells += [f"{f(row['ratios']):.2f}" for f in (statistics.median, min, max)]
        else:
            cells += ["-"] * 5
        if error:
            cells.append("-" if row.get("error") is None else f"{row['error']:.1e}")
        cells.append(row.get("version") or row.get("failed", ""))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(path, text):
    """Whole or not at all."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def parse():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("--sdbench", required=True, help="our program")
    ap.add_argument("--diffusers", help="the model as a diffusers folder, for torch and openvino")
    ap.add_argument("--arch", default="sd15", help="as for sdbench; default: %(default)s")
    ap.add_argument("--sd-cli", help="stable-diffusion.cpp's program (sd or sd-cli)")
    ap.add_argument("--single", help="SD 1.5 as one .safetensors file, for stable-diffusion.cpp")
    ap.add_argument("--sdrt-model", help="checkpoint for sdbench; default: random weights")
    ap.add_argument("--isa", help="as for sdbench")
    ap.add_argument("--precision", help="as for sdbench")
    ap.add_argument("--ir", metavar="FOLDER", help="openvino's networks as files, kept there in f16")
    ap.add_argument("--nncf", metavar="FOLDER", help="keeps openvino-int8's network for later runs")
    ap.add_argument("--peers", default=",".join(PEERS), help="default: %(default)s")
    ap.add_argument("--work", default="unet,vae", help="of unet,vae,image; default: %(default)s")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--together", action="store_true", help="each round has all the peers")
    ap.add_argument("--error", action="store_true", help="also their distance from torch in f32")
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--size", default="512x512", help="WxH in pixels")
    ap.add_argument("--steps", type=int, default=20, help="of an image")
    ap.add_argument("--cfg", type=float, default=7.5, help="guidance of an image")
    ap.add_argument("--limit", type=float, default=1200, help="seconds to wait for one answer")
    ap.add_argument("-o", "--output", help="also writes FILE.json and FILE.md (either name)")
    options = ap.parse_args()
    options.peers = options.peers.split(",")
    options.work = options.work.split(",")
    for given, known, what in ((options.peers, PEERS, "peer"), (options.work, WORK, "work")):
        for name in given:
            if name not in known:
                ap.error(f"unknown {what} {name}: expected one of {', '.join(known)}")
    width, _, height = options.size.partition("x")
    if not (width.isdigit() and height.isdigit()):
        ap.error(f"--size {options.size}: expected WxH")
    options.width, options.height = int(width), int(height)
    if options.rounds < 1:
        ap.error(f"--rounds {options.rounds}: expected at least 1")
    if options.arch != "sd15" and ("sdcpp" in options.peers or "image" in options.work):
        ap.error(f"--arch {options.arch}: sdcpp and image are for sd15 alone")
    if "sdcpp" in options.peers and not (options.sd_cli and options.single):
        ap.error("sdcpp needs --sd-cli and --single")
    if set(options.peers) - {"sdcpp"} and not options.diffusers:
        ap.error("torch and openvino need --diffusers")
    return options


def main():
    options = parse()
    sdrt = Sdrt(options)
    document = {
        "run": {
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "model": options.arch,
            "size": options.size,
            "threads": options.threads,
            "rounds": options.rounds,
            "steps of an image": options.steps,
            "guidance": options.cfg,
            "python": platform.python_version(),
        },
        "rows": [],
    }
    for work in options.work:
        exact = exact_output(work, options) if options.error and work != "image" else None
        for names in [options.peers] if options.together else [[name] for name in options.peers]:
            document["rows"] += compare(names, work, sdrt, options, exact)
            document["run"].update(sdrt.facts)
            if options.output:
                base = os.path.splitext(options.output)[0]
                write(base + ".json", json.dumps(document, indent=1) + "\n")
                write(base + ".md", markdown(document) + "\n")
    print(markdown(document))


if __name__ == "__main__":
    main()
