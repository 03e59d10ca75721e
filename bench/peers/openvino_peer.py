# SPDX-License-Identifier: MIT
"""OpenVINO on networks converted from the torch modules, with static shapes."""

import os
import time

import numpy
import openvino
import torch
from openvino.frontend.pytorch import patch_model

from torch_peer import draw, load_module, load_pipeline


def convert(module, inputs):
    """The module as an OpenVINO model of exactly these shapes."""
    trace = torch.jit.trace
    torch.jit.trace = lambda *a, **k: trace(*a, **{**k, "check_trace": False})  # two passes more
    try:
        with torch.inference_mode():
            model = openvino.convert_model(module, example_input=inputs)
    finally:
        torch.jit.trace = trace
    model.reshape({port: list(x.shape) for port, x in zip(model.inputs, inputs)})
    return model


def kept(options, work):
    """The network as files with f16 weights, as people have them, and its inputs; made where the
    folder lacks them, from weights in bf16, which halves the memory that SDXL takes.
    """
    path = f"{options.ir}/{options.arch}-{work}-{options.width}x{options.height}"
    if not os.path.exists(f"{path}.npz"):
        module, inputs = load_module(options, work, torch.bfloat16)
        patch_model.__make_16bit_traceable(module)  # as optimum-intel does for large models
        inputs = [x.float() if x.is_floating_point() else x for x in inputs]
        openvino.save_model(convert(module, inputs), f"{path}.xml", compress_to_fp16=True)
        numpy.savez(f"{path}.npz", *(x.numpy() for x in inputs))
    with numpy.load(f"{path}.npz") as saved:
        inputs = [saved[name] for name in saved.files]
    return openvino.Core().read_model(f"{path}.xml"), inputs


class OpenVino:
    """precision None is what OpenVINO takes by itself: bf16 where the processor multiplies it."""

    warms_up = True

    def __init__(self, options, precision):
        self.options = options
        self.config = {
            **({"INFERENCE_PRECISION_HINT": precision} if precision else {}),
            "INFERENCE_NUM_THREADS": options.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }

    def model(self, work):
        """The network and its inputs; the weights of torch are dropped."""
        if self.options.ir:
            return kept(self.options, work)
        module, inputs = load_module(self.options, work, torch.float32)
        return convert(module, inputs), [x.numpy() for x in inputs]

    def compile(self, work):
        model, inputs = self.model(work)
        self.compiled = openvino.Core().compile_model(model, "CPU", self.config)
        return self.compiled, inputs

    def load(self, work):
        if work == "image":
            self.call = self.load_image()
            return
        compiled, inputs = self.compile(work)
        request = compiled.create_infer_request()
        self.call = lambda: request.infer(inputs)

    def load_image(self):
        """diffusers' pipeline with its U-Net and decoder replaced."""
        decoder, _ = self.compile("vae")
        unet, _ = self.compile("unet")
        pipe = load_pipeline(self.options, torch.float32)

        def evaluate(latent, timestep, encoder_hidden_states, **_):
            return (torch.from_numpy(unet([latent, timestep, encoder_hidden_states])[0]),)

        def decode(latent, **_):
            return (torch.from_numpy(decoder([latent])[0]),)

        pipe.unet.forward = evaluate
        pipe.vae.decode = decode
        return lambda: draw(pipe, self.options)

    def run(self, work):
        with torch.inference_mode():
            start = time.perf_counter()
            self.answer = self.call()
            return time.perf_counter() - start

    def output(self):
        return self.answer[0]

    def version(self):
        hint = self.compiled.get_property("INFERENCE_PRECISION_HINT")
        asked = self.config.get("INFERENCE_PRECISION_HINT", "nothing")
        return (
            f"OpenVINO {openvino.__version__.split('-')[0]}, computes in {hint.to_string()}"
            f" (asked for {asked})"
        )
