#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write LoRA files of every kind for the tiny model, made by the libraries that people make them
with (peft, lycoris-lora, diffusers), and the weights as those libraries merge them, float32.

  make_lora_golden.py [OUTDIR]      (OUTDIR: ../golden/lora beside this script)

Each NAME.safetensors is a LoRA; NAME.merged.safetensors holds every weight that it changes, under
the names of sdrt ("unet.conv_in.weight"). The model is ../golden/tiny-sd15.

LoHa and LoKr of lycoris-lora 4.1.3: its get_merged_weight() multiplies by alpha / rank twice, its
forward pass (what training sees) once. The golden is the forward pass.
"""

import argparse
import json
import os
import re
import shutil
import tempfile

import gguf
import numpy as np
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import convert_state_dict_to_diffusers
from lycoris.modules.boft import ButterflyOFTModule
from lycoris.modules.diag_oft import DiagOFTModule
from lycoris.modules.full import FullModule
from lycoris.modules.glora import GLoRAModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule
from peft import IA3Config, LoHaConfig, LoKrConfig, LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

import sd15_reference as reference

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "../golden/tiny-sd15")
ATTN = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
OUT = "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0"
FF = "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj"
CONV = "down_blocks.1.resnets.0.conv1"
POINT = "down_blocks.0.attentions.0.proj_in"
NORM = "down_blocks.0.resnets.0.norm1"
TEXT = "text_model.encoder.layers.0.self_attn.q_proj"


def load():
    unet = UNet2DConditionModel.from_pretrained(MODEL, subfolder="unet", torch_dtype=torch.float32)
    text = CLIPTextModel.from_pretrained(MODEL, subfolder="text_encoder", torch_dtype=torch.float32)
    return {"unet": unet.requires_grad_(False), "te": text.requires_grad_(False)}


def find(models, part, name):
    """The module, also where transformers has flattened text_model away."""
    model = models[part]
    try:
        return model.get_submodule(name)
    except AttributeError:
        return model.get_submodule(name.removeprefix("text_model."))


def canonical(part, name):
    return {"unet": "unet.", "te": "text_encoder."}[part] + name


def fill(module):
    """Factors that trained ones could be: nothing is zero, and the change is some 10 %."""
    for p in module.parameters():
        torch.nn.init.normal_(p, std=0.15)


def lycoris(models, make, modules, prefix="lora_", rename=lambda k: k):
    """modules: (part, name). Returns the file's tensors and the merged weights."""
    state, merged = {}, {}
    for part, name in modules:
        origin = find(models, part, name)
        key = rename(f"{prefix}{part}_{name}".replace(".", "_"))
        change = make(key, origin)
        scale = getattr(change, "dora_scale", None)
        kept = None if scale is None else scale.detach().clone() * 1.1
        fill(change)
        if kept is not None:
            change.dora_scale.data.copy_(kept)
        weight = origin.weight.detach()
        if isinstance(change, NormModule):
            state |= {f"{key}.w_norm": change.w_norm, f"{key}.b_norm": change.b_norm}
            merged[f"{canonical(part, name)}.weight"] = weight + change.w_norm
            merged[f"{canonical(part, name)}.bias"] = origin.bias + change.b_norm
            continue
        if isinstance(change, FullModule):
            state |= {f"{key}.diff": change.weight}
            merged[f"{canonical(part, name)}.weight"] = weight + change.weight
            if change.bias is not None:
                state[f"{key}.diff_b"] = change.bias
                merged[f"{canonical(part, name)}.bias"] = origin.bias + change.bias
            continue
        state |= {f"{key}.{k}": v for k, v in change.custom_state_dict().items()}
        if isinstance(change, LoConModule):
            new = change.get_merged_weight(shape=weight.shape)[0]
        else:
            new = weight + change.get_weight(weight.shape)
            if kept is not None:
                new = change.apply_weight_decompose(new)
        merged[f"{canonical(part, name)}.weight"] = new
    return state, merged


def original_names(key):
    """kohya's keys with the original code's block names, as SDXL files have them."""
    key = re.sub(
        r"_down_blocks_(\d)_attentions_(\d)",
        lambda m: f"_input_blocks_{1 + 3 * int(m[1]) + int(m[2])}_1",
        key,
    )
    key = re.sub(
        r"_down_blocks_(\d)_resnets_(\d)_conv1",
        lambda m: f"_input_blocks_{1 + 3 * int(m[1]) + int(m[2])}_0_in_layers_2",
        key,
    )
    return key.replace("_mid_block_attentions_0", "_middle_block_1")


def peft(part, targets, **options):
    """A peft adapter on a fresh model: (adapter model, merged weights)."""
    model = load()[part]
    wrapped = get_peft_model(model, LoraConfig(target_modules=targets, **options))
    for name, p in wrapped.named_parameters():
        if "lora_magnitude" in name:
            p.data.mul_(1.1)
        elif "lora_" in name:
            torch.nn.init.normal_(p, std=0.15)
    plain = load()[part]
    merged = {}
    state = get_peft_model_state_dict(wrapped)
    done = wrapped.merge_and_unload()
    before = dict(plain.named_parameters())
    for name, p in done.named_parameters():
        if not torch.equal(p, before[name]):
            full = name if part == "unet" or name.startswith("text_model.") else "text_model." + name
            merged[canonical(part, full)] = p.detach()
    assert merged
    return state, merged


def write(out, name, state, merged, metadata=None, dtype=torch.float32):
    def clean(d, t):
        return {k: v.detach().to(t or v.dtype).contiguous().clone() for k, v in d.items()}

    if state:
        save_file(clean(state, dtype), f"{out}/{name}.safetensors", metadata=metadata)
    save_file(clean(merged, torch.float32), f"{out}/{name}.merged.safetensors")


def write_lycoris(out):
    models = load()
    few = [("unet", ATTN), ("unet", OUT), ("te", TEXT)]
    convs = [("unet", CONV), ("unet", POINT), ("unet", FF)]

    def kind(cls, **options):
        return lambda key, origin: cls(key, origin, 1.0, **{"lora_dim": 4, "alpha": 2, **options})

    cases = {
        "kohya-lora": (kind(LoConModule), few),
        "locon": (kind(LoConModule), convs),
        "locon-mid": (kind(LoConModule, use_tucker=True), convs[:1]),
        "loha": (kind(LohaModule), few + convs),
        "loha-tucker": (kind(LohaModule, use_tucker=True), convs[:1]),
        "lokr": (kind(LokrModule, lora_dim=2), few + convs),
        "lokr-both": (kind(LokrModule, lora_dim=1, decompose_both=True, factor=4), few + convs),
        "lokr-full": (kind(LokrModule, full_matrix=True), convs),
        "lokr-tucker": (kind(LokrModule, lora_dim=2, use_tucker=True), convs[:1]),
        "dora-rows": (kind(LoConModule, weight_decompose=True, wd_on_out=True), few + convs),
        "dora-columns": (kind(LoConModule, weight_decompose=True, wd_on_out=False), few + convs),
        "doha": (kind(LohaModule, weight_decompose=True, wd_on_out=True), convs[1:]),
        "full": (kind(FullModule), few[:1] + convs[1:2]),
        "norm": (lambda key, origin: NormModule(key, origin), [("unet", NORM)]),
    }
    for name, (make, modules) in cases.items():
        write(out, name, *lycoris(models, make, modules))
    make = kind(LoConModule)
    write(out, "kohya-original", *lycoris(models, make, few + convs[:1], rename=original_names))
    state, merged = lycoris(models, make, few)
    half = {k: v.to(torch.float16) for k, v in state.items()}
    write(out, "kohya-f16", half, merged, dtype=torch.float16)


def write_peft(out):
    suffixes = [ATTN, OUT, FF, CONV]
    options = dict(r=4, lora_alpha=6, alpha_pattern={OUT: 3})
    state, merged = peft("unet", suffixes, **options)
    os.makedirs(f"{out}/peft", exist_ok=True)
    save_file(
        {k: v.contiguous() for k, v in state.items()}, f"{out}/peft/adapter_model.safetensors"
    )
    config = LoraConfig(target_modules=suffixes, **options).to_dict()
    config = {k: sorted(v) if isinstance(v, set) else v for k, v in config.items()}
    with open(f"{out}/peft/adapter_config.json", "w") as f:
        json.dump(config, f, indent=1, default=str)
    save_file(
        {k: v.contiguous() for k, v in merged.items()}, f"{out}/peft/adapter_model.merged.safetensors"
    )

    def bare(state):
        return {k.removeprefix("base_model.model."): v for k, v in state.items()}

    write(out, "peft-dora", *peft("unet", [ATTN, OUT, CONV], r=4, lora_alpha=4, use_dora=True))
    state, merged = peft("te", ["q_proj", "out_proj"], r=2, lora_alpha=2)
    write(out, "peft-text", {f"text_encoder.{k}": v for k, v in bare(state).items()}, merged)

    # As diffusers saves it, alpha in the metadata.
    state, merged = peft("unet", [OUT, FF], r=4, lora_alpha=8, use_rslora=True, lora_bias=True)
    os.makedirs(f"{out}/saved", exist_ok=True)
    StableDiffusionPipeline.save_lora_weights(
        f"{out}/saved",
        unet_lora_layers=bare(state),
        unet_lora_adapter_metadata={"r": 4, "lora_alpha": 8, "use_rslora": True},
        weight_name="diffusers.safetensors",
    )
    os.replace(f"{out}/saved/diffusers.safetensors", f"{out}/diffusers.safetensors")
    os.rmdir(f"{out}/saved")
    save_file({k: v.contiguous() for k, v in merged.items()}, f"{out}/diffusers.merged.safetensors")

    # diffusers before PEFT: "unet.X.lora.down.weight", and before that attention processors.
    state, merged = peft("unet", [ATTN, OUT], r=4, lora_alpha=4)
    newer = convert_state_dict_to_diffusers(bare(state))
    write(out, "diffusers-lora", {f"unet.{k}": v for k, v in newer.items()}, merged)
    older = {}
    for k, v in bare(state).items():
        module, end = re.match(r"(.*)\.lora_([AB])\.weight", k).groups()
        block, proj = re.match(r"(.*)\.(to_q|to_out)(?:\.0)?$", module).groups()
        older[f"unet.{block}.processor.{proj}_lora.{'down' if end == 'A' else 'up'}.weight"] = v
    write(out, "diffusers-processor", older, merged)


BY_WEIGHT = (ButterflyOFTModule, DiagOFTModule, GLoRAModule, IA3Module)


def by_weight(models, make, modules):
    """As lycoris(), of adapters whose change is made of the weight; also merged at half strength,
    which is not half the change."""
    state, merged, half = {}, {}, {}
    for part, name in modules:
        origin = find(models, part, name)
        key = f"lora_{part}_{name}".replace(".", "_")
        change = make(key, origin)
        assert isinstance(change, BY_WEIGHT)
        for k, p in change.named_parameters():
            torch.nn.init.normal_(p, mean=1.0 if k == "rescale" else 0.0, std=0.15)
        kept = change.custom_state_dict() or change.state_dict()
        state |= {f"{key}.{k}": v for k, v in kept.items()}
        for scale, into in ((1.0, merged), (0.5, half)):
            new = change.get_merged_weight(multiplier=scale, shape=origin.weight.shape)[0]
            into[f"{canonical(part, name)}.weight"] = new
    return state, merged, half


def write_by_weight(out):
    models = load()
    few = [("unet", ATTN), ("unet", OUT), ("te", TEXT)]
    convs = [("unet", CONV), ("unet", POINT), ("unet", FF)]

    def kind(cls, **options):
        return lambda key, origin: cls(key, origin, 1.0, **{"lora_dim": 4, "alpha": 2, **options})

    cases = {
        "glora": (kind(GLoRAModule), few + convs),
        "glora-tucker": (kind(GLoRAModule, use_tucker=True), convs[:1]),
        "oft": (kind(DiagOFTModule, rescaled=True), few + convs),
        "oft-bound": (kind(DiagOFTModule, constraint=0.02), few + convs[:1]),
        "boft": (kind(ButterflyOFTModule, rescaled=True), few[:1] + convs[:1]),
        "boft-bound": (kind(ButterflyOFTModule, constraint=0.02), few[:1]),
        "ia3": (kind(IA3Module), few + convs),
        "ia3-input": (kind(IA3Module, train_on_input=True), few[:1] + convs),
    }
    for name, (make, modules) in cases.items():
        state, merged, half = by_weight(models, make, modules)
        write(out, name, state, merged, dtype=None)
        if name in ("oft", "boft"):
            write(out, f"{name}.half", None, half)


def write_adapter(out, name, config):
    """A folder as PEFT writes it: what is said of alpha and rank is in adapter_config.json."""
    wrapped = get_peft_model(load()["unet"], config)
    for k, p in wrapped.named_parameters():
        if any(x in k for x in ("lora_A", "lora_B", "lokr_", "hada_")):
            torch.nn.init.normal_(p, std=0.3)
        elif "ia3_l" in k:
            torch.nn.init.normal_(p, mean=1.0, std=0.15)
    folder = f"{out}/{name}"
    wrapped.save_pretrained(folder)
    os.remove(f"{folder}/README.md")
    before = dict(load()["unet"].named_parameters())
    merged = {}
    for k, p in wrapped.merge_and_unload().named_parameters():
        if not torch.equal(p, before[k]):
            merged[canonical("unet", k)] = p.detach().contiguous()
    assert merged
    save_file(merged, f"{folder}/adapter_model.merged.safetensors")


def write_adapters(out):
    first = "down_blocks.0.attentions.0.transformer_blocks.0."
    targets = [first + "attn1.to_q", first + "attn2.to_k", OUT]
    adapters = {
        "peft-regex": LoraConfig(
            r=4, lora_alpha=2, target_modules=targets,
            alpha_pattern={r"down_blocks\.0\..*to_q": 8, "to_q": 1, "to_k": 4},
            rank_pattern={"(to_out|to_v).0": 2},
        ),
        "peft-lokr": LoKrConfig(
            r=8, alpha=2, target_modules=targets,
            rank_pattern={"to_k": 16}, alpha_pattern={r"attn\d\.to_out.0": 4},
        ),
        "peft-lokr-factors": LoKrConfig(r=2, alpha=3, target_modules=targets),
        "peft-loha": LoHaConfig(r=4, alpha=3, target_modules=[*targets, CONV]),
        "peft-ia3": IA3Config(target_modules=[*targets, FF], feedforward_modules=[OUT]),
    }
    for name, config in adapters.items():
        write_adapter(out, name, config)


def write_formats(out, name):
    """The same LoRA in other files of tensors."""
    state = load_file(f"{out}/{name}.safetensors")
    torch.save(state, f"{out}/kohya-torch.pt")
    writer = gguf.GGUFWriter(f"{out}/kohya-ggml.gguf", "lora")
    for key, value in state.items():
        writer.add_tensor(key, np.atleast_1d(value.numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_image(out, lora):
    """The golden image's request with one LoRA's merged weights, stored as f16 like the model's own;
    only the image is kept."""
    pipe = reference.load_pipeline(MODEL)
    state = {"unet": pipe.unet, "text_encoder": pipe.text_encoder}
    for name, value in load_file(f"{out}/{lora}.merged.safetensors").items():
        part, rest = name.split(".", 1)
        module = find(state, part, rest.rsplit(".", 1)[0])
        getattr(module, rest.rsplit(".", 1)[1]).data.copy_(value.half())  # f16, as the model
    with open(os.path.join(MODEL, "golden/image/case.json")) as f:
        case = json.load(f)
    keys = ("prompt", "negative", "seed", "width", "height", "sampler", "steps", "cfg")
    with tempfile.TemporaryDirectory() as scratch:
        reference.image_case(pipe, scratch, {k: case[k] for k in keys})
        shutil.copy(f"{scratch}/image.npy", f"{out}/{lora}.image.npy")


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("out", nargs="?", default=os.path.join(HERE, "../golden/lora"))
    a = ap.parse_args()
    out = os.path.normpath(a.out)
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(5)
    with torch.no_grad():
        write_lycoris(out)
        write_peft(out)
        write_by_weight(out)
        write_adapters(out)
    write_formats(out, "kohya-lora")
    write_image(out, "loha")
    total = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(out) for f in files)
    print(f"{out}: {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
