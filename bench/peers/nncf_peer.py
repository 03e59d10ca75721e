# SPDX-License-Identifier: MIT
"""OpenVINO with the denoiser's layers in 8-bit integers, by NNCF's post-training quantisation.

NNCF takes the range of each layer's input from a few evaluations in float32, which takes minutes;
--nncf names a folder that keeps what it makes, for the next run.
"""

import json
import os
import shutil
import sys
import time

import diffusers
import numpy
import openvino
import torch

from openvino_peer import OpenVino
from torch_peer import PROMPT, load_module

try:
    import nncf
except ImportError:
    raise RuntimeError("openvino-int8 needs nncf (pip install nncf)") from None

SAMPLES = 8


def text_embedding(options):
    """Of no words and of the prompt, by the folder's encoder."""
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(
        options.diffusers, unet=None, vae=None, safety_checker=None, requires_safety_checker=False
    )
    with torch.inference_mode():
        prompt, nothing = pipe.encode_prompt(PROMPT, "cpu", 1, True, "")
    return torch.cat((nothing, prompt)).float().numpy()


def calibration(options, inputs):
    """Latents that no timed run sees, over the whole schedule; of SD 1.5, every second time with
    a real text in the place of noise.
    """
    generator = numpy.random.default_rng(2)
    latent, timestep, text, *rest = inputs
    texts = [text, text_embedding(options) if options.arch == "sd15" else text]
    samples = []
    for i, t in enumerate(numpy.linspace(999, 1, SAMPLES).round()):
        noise = generator.standard_normal(latent.shape, dtype=numpy.float32)
        samples.append([noise, numpy.full_like(timestep, t), texts[i % 2], *rest])
    return samples


def quantise(model, samples):
    return nncf.quantize(
        model,
        nncf.Dataset(samples),
        subset_size=len(samples),
        model_type=nncf.ModelType.TRANSFORMER,
    )


def weights_stamp(folder):
    """Tells whether files are those that they were."""
    paths = sorted(entry.path for entry in os.scandir(folder) if entry.is_file())
    return [[os.path.basename(p), os.path.getsize(p), int(os.path.getmtime(p))] for p in paths]


def int8_layers(compiled):
    """How many of the layers with products compute in 8 bits, and of how many, as compiled."""
    kinds = ("Convolution", "FullyConnected", "MatMul")
    infos = [op.get_rt_info() for op in compiled.get_runtime_model().get_ops()]
    names = [
        info["primitiveType"].astype(str)
        for info in infos
        if "layerType" in info and info["layerType"].astype(str) in kinds
    ]
    return sum(name.upper().endswith(("_I8", "_U8")) for name in names), len(names)


class OpenVinoInt8(OpenVino):
    """The denoiser in 8 bits, all else as OpenVINO takes it by itself."""

    def __init__(self, options):
        super().__init__(options, None)
        nncf.set_log_level("ERROR")

    def load(self, work):
        if work == "vae":
            raise RuntimeError("openvino-int8 is of the denoiser alone")
        super().load(work)

    def model(self, work):
        """From the folder of --nncf when it was made of these files by these versions."""
        if work == "vae":  # of an image
            return super().model(work)
        made, folder = self.making(), self.folder()
        kept = {}
        if folder and os.path.exists(f"{folder}/made.json"):
            with open(f"{folder}/made.json", encoding="utf-8") as file:
                kept = json.load(file)
        if made.items() <= kept.items():
            self.how = kept
            _, inputs = load_module(self.options, work, torch.float32)
            inputs = [x.numpy() for x in inputs]
        else:
            model, inputs = super().model(work)
            start = time.perf_counter()
            model = quantise(model, calibration(self.options, inputs))
            self.how = {**made, "seconds": round(time.perf_counter() - start)}
            if folder:
                self.keep(model, folder)
        if folder:  # the same file, whether it was there or not
            model = openvino.Core().read_model(f"{folder}/model.xml")
        return model, inputs

    def making(self):
        """What the quantised network depends on."""
        o = self.options
        part = "transformer" if os.path.isdir(f"{o.diffusers}/transformer") else "unet"
        return {
            "nncf": nncf.__version__,
            "openvino": openvino.__version__,
            "samples": SAMPLES,
            "weights": weights_stamp(f"{o.diffusers}/{part}"),
        }

    def folder(self):
        return self.options.nncf and f"{self.options.nncf}/{self.options.arch}-{self.options.size}"

    def compile(self, work):
        compiled, inputs = super().compile(work)
        if work != "vae":
            some, products = int8_layers(compiled)
            self.made = (
                f"nncf {self.how['nncf']}, from {self.how['samples']} evaluations in"
                f" {self.how['seconds']} s, {some} of {products} products in int8"
            )
            print(f"openvino-int8: {self.made}", file=sys.stderr, flush=True)
        return compiled, inputs

    def keep(self, model, folder):
        """made.json comes last: without it the folder counts as empty."""
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        openvino.save_model(model, f"{folder}/model.xml", compress_to_fp16=False)
        with open(f"{folder}/made.json", "w", encoding="utf-8") as file:
            json.dump(self.how, file, indent=1)

    def version(self):
        return f"{super().version()}, {self.made}"
