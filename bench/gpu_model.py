#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A model, not a measurement: a guided step on GPUs that nobody has timed, from the plan itself.

    bench/gpu_model.py LIBSDRT [--arch sd15,sdxl,sd35-medium,sd35-large]

LIBSDRT is the path of a libsdrt.so with kernels for GPUs; no GPU and no weights are needed.  Two
figures a GPU.  Floor: each launch's products at the rate of the best library's large ones, or its
weights at memory's bandwidth.  Model: our tiles on so many multiprocessors, in whole waves, split
along k where that is faster; weights out of memory, activations out of the L2; attention by issue slots
as counted in the machine code; a gap between launches.
"""
import argparse
import ctypes
import importlib.util
import json
import math
import os
import sys
import tempfile

# Pixels a side, and launches of a step as tests/test_gpu_plans counts them: SD 3.5's operations that
# differ from image to image are several.
MODELS = {"sd15": (512, 335), "sdxl": (1024, 889), "sd35-medium": (1024, 850), "sd35-large": (1024, 1180)}

# Multiprocessors; TFLOP/s of large bf16 products by cuBLAS, TB/s of memory and of the L2 as others
# measured them; GHz at that load; microseconds between launches of one graph; tiles; issue slots over
# clocks of products in attention's inner loop, by head (tests/check_cubins.sh).
WARPGROUPS = {40: 1.18, 64: 0.85, 80: 0.69, 160: 0.49}
WARPS = {40: 1.16, 64: 0.85, 80: 0.82, 160: 0.65}
GPUS = {
    "H100": (132, 790, 3.0, 5.5, 1.70, 1.3, [(128, 128), (128, 256)], WARPGROUPS),
    "H200": (132, 790, 4.3, 5.5, 1.70, 1.3, [(128, 128), (128, 256)], WARPGROUPS),
    "A100": (108, 265, 1.7, 4.0, 1.38, 1.8, [(128, 128), (64, 64)], WARPS),
    "RTX 4090": (128, 160, 0.93, 4.5, 2.50, 1.6, [(128, 128), (64, 64)], WARPS),
}
# Guesses, until a device run replaces them: of the library's rate in a tile's inner loop, in small tiles
# too; microseconds to fill and drain a tile's ring; of the issue slots, those that are used.
REACH, SMALL_REACH, FILL, ISSUED = 0.80, 0.50, 1.6, 0.90
EXPONENTIALS = 16  # a clock and multiprocessor


class Gpu:
    def __init__(self, sms, tflops, memory, l2, ghz, gap, tiles, slots):
        self.sms, self.flops, self.memory, self.l2 = sms, tflops * 1e12, memory * 1e12, l2 * 1e12
        self.clock, self.launch, self.tiles, self.slots = ghz * 1e9, gap * 1e-6, tiles, slots

    def product(self, m, n, k, weights, activations):
        """Seconds of an m x n x k product without its launch."""
        best = math.inf
        for rows, columns in self.tiles:
            reach = REACH if rows * columns >= 128 * 128 else SMALL_REACH
            rate = self.flops / self.sms * reach
            for split in range(1, 9):
                if split > 1 and k // split < 256:
                    break
                tiles = math.ceil(m / rows) * math.ceil(n / columns) * split
                depth = math.ceil(k / split / 64) * 64
                t = math.ceil(tiles / self.sms) * 2.0 * rows * columns * depth / rate + FILL * 1e-6
                if split > 1:  # sums in f32 to the L2 and back
                    t += (split + 1) * m * n * 4.0 / self.l2
                best = min(best, max(t, weights / self.memory, activations / self.l2))
        return best

    def moved(self, read, written):
        return (read + written) / self.l2 + FILL * 1e-6


def is_normalised(step):
    """Whether a convolution has a group norm before it, which makes its operand in a launch of its own."""
    last = step["name"].rsplit(".", 1)[-1]
    return step["class"] == "conv" and last in ("conv1", "conv2", "conv_out", "proj_in")


def of_product(step, gpu):
    batch, height, width, channels = step["output"]
    m, kernel = batch * height * width, step["kernel"]
    n = channels * (2 if "gated" in kernel else 1)
    k = step["flop"] / (2.0 * m * n)
    weights = 2.0 * n * k
    source = m * k / (9 if "3x3" in kernel else 1) / (4 if "x2" in kernel else 1)
    source *= 4 if "/2" in kernel else 1
    floor = max(step["flop"] / gpu.flops, weights / gpu.memory)
    time = gpu.product(m, n, k, weights, 2.0 * source + 4.0 * m * channels) + gpu.launch
    if not is_normalised(step):
        return floor, time, 1
    # Three passes over f32, the later ones from the L2; 16 bits of it are written.
    return floor, time + gpu.moved(12.0 * source, 2.0 * source) + gpu.launch, 2


def of_attention(step, gpu):
    batch, height, width, channels = step["output"]
    rows, head = batch * height * width, int(step["kernel"].split()[1])
    keys = step["flop"] / (4.0 * rows * channels)
    exponentials = rows * keys * (channels / head) / (EXPONENTIALS * gpu.sms * gpu.clock)
    # Heads of 40 are 48 deep in the products of scores.
    padded = 2.0 * rows * keys * (channels / head) * (math.ceil(head / 16) * 16 + math.ceil(head / 8) * 8)
    slots = gpu.slots.get(head, max(gpu.slots.values()))
    products = padded / gpu.flops * max(1.0 / REACH, slots / ISSUED)
    floor = max(step["flop"] / gpu.flops, exponentials)
    return floor, max(products, exponentials) + FILL * 1e-6 + gpu.launch, 1


def of_rest(step, gpu):
    return step["bytes"] / gpu.l2, gpu.moved(step["bytes"], 0.0) + gpu.launch, 1


def of_step(step, gpu):
    """(floor, model, launches): seconds, seconds, a number."""
    kinds = {"conv": of_product, "gemm": of_product, "attention": of_attention}
    return kinds.get(step["class"], of_rest)(step, gpu)


def load(path):
    """The library, by the types that the Python module has for it."""
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bindings", "python", "sdrt")
    spec = importlib.util.spec_from_file_location("abi", os.path.join(here, "_abi.py"))
    abi = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(abi)
    try:
        return ctypes.CDLL(path), abi
    except OSError as error:
        sys.exit(f"{path}: {error}: expected libsdrt.so")


def read_plan(library, abi, arch):
    """The program of one evaluation of the denoiser, as sdrt_write_plan() has it."""
    options, request, context = abi.Options(), abi.Request(), ctypes.c_void_p()
    library.sdrt_options_init_sized(ctypes.byref(options), ctypes.sizeof(options))
    library.sdrt_request_init_sized(ctypes.byref(request), ctypes.sizeof(request))
    options.arch, options.device, options.precision = arch.encode(), b"cuda", b"bf16"
    options.random_weights = options.plan_only = 1
    request.width = request.height = MODELS[arch][0]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "plan.json")
        if (library.sdrt_open(ctypes.byref(context), ctypes.byref(options)) or
                library.sdrt_write_plan(context, ctypes.byref(request), path.encode())):
            sys.exit(f"{arch}: no plan for a GPU: expected a library with kernels for one")
        library.sdrt_close(ctypes.byref(context))
        with open(path) as f:
            plan = json.load(f)
    wanted = plan["denoising"]["ways"][0]["program"]
    return next(p for p in plan["programs"] if p["name"] == wanted)


def main():
    parser = argparse.ArgumentParser(description="A model of a guided step on GPUs.")
    parser.add_argument("library")
    parser.add_argument("--arch", default=",".join(MODELS))
    arguments = parser.parse_args()
    archs = arguments.arch.split(",")
    for arch in archs:
        if arch not in MODELS:
            parser.error(f"--arch {arch}: expected of {', '.join(MODELS)}")
    library, abi = load(arguments.library)
    print("MODEL, nothing measured: a guided step in bf16.  Floor: products at a library's rate, weights at\n"
          "memory's; model: our tiles, gaps between launches, and the guesses that stand in the script.\n")
    print(f"{'':36}{'launches':>9}{'GPU':>9}{'floor ms':>10}{'model ms':>10}   of it conv, gemm, attention,"
          " norm and rest")
    for arch in archs:
        program = read_plan(library, abi, arch)
        (size, planned), work = MODELS[arch], sum(s["flop"] for s in program["steps"])
        for name, figures in GPUS.items():
            gpu, floor, parts, launches = Gpu(*figures), 0.0, {}, 0
            for step in program["steps"]:
                least, time, n = of_step(step, gpu)
                floor, launches = floor + least, launches + n
                kind = step["class"] if step["class"] in ("conv", "gemm", "attention") else "rest"
                parts[kind] = parts.get(kind, 0.0) + time
            if launches != program["operations"]:
                sys.exit(f"{arch}: {launches} operations by the model, {program['operations']} planned")
            parts["rest"] += (planned - launches) * (gpu.launch + FILL * 1e-6)
            times = [parts.get(kind, 0.0) for kind in ("conv", "gemm", "attention", "rest")]
            head = f"{arch} {size}x{size}, {work * 1e-12:.2f} TFLOP"
            print(f"{head:36}{planned:9}{name:>9}{floor * 1e3:10.2f}{sum(times) * 1e3:10.2f}   "
                  + ", ".join(f"{t * 1e3:.2f}" for t in times))
    return 0


if __name__ == "__main__":
    sys.exit(main())
