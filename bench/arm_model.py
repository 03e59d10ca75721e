#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A model, not a measurement: a guided step of SD 1.5 in f32 on Arm machines that nobody has timed.

    bench/arm_model.py [RESULTS.json] [--least PERCENT]

RESULTS is what bench/full-run.sh wrote on any machine, the newest in bench/results by default: each
layer's work, weights and bytes are taken from it, no time. Exits with 1 where a machine's share of
its f32 roof, by the direct sum's FLOP and at worst, is below PERCENT (80).
"""
import argparse
import glob
import json
import os
import sys

# Of the FMA roof: the micro-kernel alone (build-aux/arm-model.sh).
KERNEL = 0.97
# Of the micro-kernel, as AVX2's measured shares are (bench/SPEEDLOG.md), whose bodies are the same:
# copies, packing, epilogues, softmax, Winograd's transforms.
AROUND, ATTENTION, WINOGRAD = 0.92, 0.76, 0.57
# As kernels/neon/conv.c cuts: tiles of a block, columns whose sums wait together.
TILES, COLUMNS = 32, 4 * 16
# GFLOP of a convolution by Winograd at least; smaller ones are no time anyway.
WINOGRAD_LEAST = 1.0

# Cores; GHz with all of them at work; f32 FLOP a cycle, 8 for each FMA pipe of 128 bits (Arm's
# optimisation guides; Apple's and Qualcomm's as others measured them); bytes of the last cache; GB/s
# of the last cache and of memory, all cores together.  The two rates are estimates from published
# figures: `sdbench roofline` measures them where somebody has the machine.
MACHINES = {
    "Raspberry Pi 5, 4 x A76": (4, 2.4, 16, 2 << 20, 30, 11),
    "Apple M1, 4 P cores": (4, 3.0, 32, 12 << 20, 120, 60),
    "Snapdragon X, 12 x Oryon": (12, 3.4, 32, 36 << 20, 300, 110),
    "Altra, 32 x N1": (32, 3.0, 16, 32 << 20, 400, 120),
    "Graviton3, 32 x V1": (32, 2.6, 32, 32 << 20, 600, 200),
    "Graviton4, 32 x V2": (32, 2.8, 32, 36 << 20, 700, 250),
}


class Machine:
    def __init__(self, cores, ghz, flop_per_cycle, last_bytes, last_gbs, memory_gbs):
        self.cores, self.ghz, self.flop_per_cycle = cores, ghz, flop_per_cycle
        self.last_bytes, self.last_gbs, self.memory_gbs = last_bytes, last_gbs, memory_gbs
        self.roof = cores * ghz * flop_per_cycle  # GFLOP/s

    def read_seconds(self, nbytes, resident):
        """Of reading nbytes out of what takes resident bytes: of the last cache, if it fits."""
        gbs = self.last_gbs if resident <= self.last_bytes else self.memory_gbs
        return nbytes * 1e-9 / gbs


def is_winograd(layer):
    return (layer["kernel"].startswith("conv2d 3x3 ") and "/2" not in layer["kernel"] and
            layer["gflop"] > WINOGRAD_LEAST)


def winograd_traffic(layer, m):
    """Seconds of what the sums read again from beyond L2: a block's transformed input for each group
    of columns, and the weights for each block."""
    weights = layer["weight_bytes"]  # 16 bits a value
    channels = (weights / 18) ** 0.5  # as if there were as many in as out
    tiles = layer["gflop"] * 1e9 / (18 * channels * channels) / 16
    tile = 36 * channels * 4
    block = tile * min(TILES, tiles / m.cores + 1)
    return (m.read_seconds(tiles * tile * channels / COLUMNS, block * m.cores) +
            m.read_seconds(weights * max(1.0, tiles / TILES), weights))


def seconds(layer, m):
    """(with traffic beside the products, with traffic before them)"""
    activations = layer["bytes"] - layer["weight_bytes"]
    least = layer["weight_bytes"] * 1e-9 / m.memory_gbs + m.read_seconds(activations, layer["bytes"])
    share = {"attention": ATTENTION, "conv": AROUND, "gemm": AROUND}.get(layer["class"])
    if not share:
        return least, least
    direct = layer["gflop"] / (m.roof * KERNEL * share)
    if not is_winograd(layer):
        return max(direct, least), max(direct, least)
    products = layer["gflop"] / 4 / (m.roof * KERNEL * WINOGRAD)
    traffic = winograd_traffic(layer, m)
    return max(products, traffic, least), max(products + traffic, least)


def newest_results():
    found = [p for p in glob.glob(os.path.join(os.path.dirname(__file__), "results", "*.json"))
             if "peers" not in p]
    if not found:
        sys.exit("arm_model.py: no results beside it; expected bench/results/*.json")
    return max(found, key=lambda path: path[-len("2026-01-31.json"):])


def read_layers(path):
    try:
        with open(path) as f:
            reports = json.load(f)
        return next(r for r in reports
                    if r["command"] == "layers" and r["network"] == "unet")["layers"]
    except (OSError, ValueError, StopIteration, KeyError, TypeError):
        sys.exit(f"{path}: expected what full-run.sh writes, with `layers unet`")


def main():
    parser = argparse.ArgumentParser(description="A model of a guided step on Arm machines.")
    parser.add_argument("results", nargs="?")
    parser.add_argument("--least", type=float, default=80.0)
    arguments = parser.parse_args()
    layers = read_layers(arguments.results or newest_results())
    work = sum(l["gflop"] for l in layers)
    done = sum(l["gflop"] / (4 if is_winograd(l) else 1) for l in layers)
    print(f"MODEL, nothing measured: a guided step of SD 1.5 at 512x512 in f32, {work:.0f} GFLOP by the"
          f"\ndirect sum, {done:.0f} with Winograd's tiles.  Assumed: {100 * KERNEL:.0f} % of the roof by the"
          f" micro-kernel;\nof that {100 * AROUND:.0f} % in products, {100 * ATTENTION:.0f} % in attention,"
          f" {100 * WINOGRAD:.0f} % in Winograd, as measured of AVX2;\nrates of caches and memory as in the"
          " table; no waiting at barriers.\n")
    print(f"{'machine':25}{'GHz':>5}{'GB/s: last, memory':>20}{'GFLOP/s':>9}{'s':>7}{'of roof':>9}"
          f"{'at worst':>10}{'of roof':>9}{'really done':>13}")
    low = []
    for name, figures in MACHINES.items():
        m = Machine(*figures)
        best, worst = (sum(t) for t in zip(*(seconds(l, m) for l in layers)))
        share = 100 * work / worst / m.roof
        print(f"{name:25}{m.ghz:5.1f}{m.last_gbs:13d}, {m.memory_gbs:5d}{m.roof:9.0f}{best:7.2f}"
              f"{100 * work / best / m.roof:7.0f} %{worst:10.2f}{share:7.0f} %"
              f"{100 * done / worst / m.roof:11.0f} %")
        if share < arguments.least:
            low.append(name)
    print("\nof roof: of the f32 roof, by the direct sum's FLOP; really done: of products that are done, at"
          "\nworst.  At worst: what Winograd reads again from beyond L2 comes before its products.")
    for name in low:
        print(f"{name}: below {arguments.least:.0f} % of the roof", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
