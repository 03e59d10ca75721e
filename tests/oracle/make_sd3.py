#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the tiny random-weight SD 3 and SD 3.5 of the golden tests, and their tensors as diffusers
computes them, float32 on the CPU.

  make_sd3.py [OUTDIR] [--single DIR] [--seed N]   (OUTDIR: ../golden beside this script)

single-names.txt says how the single file is made of the folder (sd3_names.py). --single also writes
the single files, which diffusers' own conversion must turn back. The folders have no T5: its tokens
are zeros, as the pipeline has them without text_encoder_3. One lies beside, in tiny-sd35/t5, for the
image of that name; its tokenizer is ../golden/t5-tokenizer.
"""

import os

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusion3Pipeline
from safetensors.torch import load_file, save_file
from transformers import T5Config, T5EncoderModel, T5TokenizerFast

import families_reference as families
import sd15_reference as reference
import sd3_build as sd3

PROMPT = "a photo of a small red cat, 42 stars"
NEGATIVE = "blurry, bad hands"
IMAGES = {
    "sd3": {
        "euler": dict(negative=None, sampler="euler", steps=4, cfg=5.0, width=64, height=64),
        "wide": dict(negative=None, sampler="dpmpp_2m", steps=5, cfg=1.0, width=80, height=48),
    },
    "sd35": {
        "euler": dict(negative=NEGATIVE, sampler="euler", steps=4, cfg=4.0, width=64, height=64),
        "dpmpp_2m": dict(negative=None, sampler="dpmpp_2m", steps=4, cfg=3.0, width=64, height=64),
        "lora": dict(negative=None, sampler="euler", steps=3, cfg=4.0, width=64, height=48),
        "t5": dict(negative=None, sampler="euler", steps=3, cfg=4.0, width=64, height=48),
    },
}


def add_t5(pipe, out, tokenizer, seed):
    """A T5 of random weights, f16, whose last norm's weight is small, as T5-XXL's is."""
    pipe.tokenizer_3 = T5TokenizerFast.from_pretrained(tokenizer)
    config = T5Config(
        vocab_size=len(pipe.tokenizer_3), d_model=224, d_kv=16, d_ff=96, num_layers=2, num_heads=3,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, dropout_rate=0.0,
    )
    torch.manual_seed(seed)
    model = T5EncoderModel(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            small = "layer_norm" in name or "embed" in name or "shared" in name
            p.copy_(torch.randn_like(p) * (1 if small else p.shape[1] ** -0.5))
    state = {k: v.half() for k, v in model.state_dict().items() if "embed_tokens" not in k}
    os.makedirs(out, exist_ok=True)
    save_file(state, f"{out}/model.safetensors", metadata={"format": "pt"})
    state = {k: v.float() for k, v in load_file(f"{out}/model.safetensors").items()}
    state["encoder.embed_tokens.weight"] = state["shared.weight"]
    model.load_state_dict(state)
    pipe.text_encoder_3 = model


LORA = {  # original names -> diffusers' of the same rows
    "joint_blocks.0.x_block.attn.qkv": [f"transformer_blocks.0.attn.to_{x}" for x in "qkv"],
    "joint_blocks.0.x_block.attn2.qkv": [f"transformer_blocks.0.attn2.to_{x}" for x in "qkv"],
    "joint_blocks.1.context_block.attn.qkv": [
        f"transformer_blocks.1.attn.add_{x}_proj" for x in "qkv"
    ],
    "joint_blocks.1.context_block.mlp.fc1": ["transformer_blocks.1.ff_context.net.0.proj"],
    "joint_blocks.2.x_block.attn.proj": ["transformer_blocks.2.attn.to_out.0"],
}


def add_lora(pipe, out, rank=4):
    """The same LoRA in diffusers' names and in kohya's, where queries, keys and values are one."""
    os.makedirs(out, exist_ok=True)
    plain, kohya = {}, {}
    for i, (name, modules) in enumerate(LORA.items()):
        shape = pipe.transformer.get_submodule(modules[0]).weight.shape
        down = reference.normals((rank, shape[1]), [i, 1]) * shape[1] ** -0.5
        up = reference.normals((len(modules) * shape[0], rank), [i, 2]) * rank**-0.5
        for module, part in zip(modules, up.chunk(len(modules))):
            plain[f"transformer.{module}.lora_A.weight"] = down.clone()
            plain[f"transformer.{module}.lora_B.weight"] = part.contiguous()
        key = "lora_unet_" + name.replace(".", "_")
        kohya |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up,
                  f"{key}.alpha": torch.tensor(float(rank))}
    save_file(plain, f"{out}/diffusers.safetensors")
    save_file(kohya, f"{out}/kohya.safetensors")
    pipe.load_lora_weights(plain)


def load_pipeline(folder):
    pipe = StableDiffusion3Pipeline.from_pretrained(
        folder, text_encoder_3=None, tokenizer_3=None, torch_dtype=torch.float32,
        local_files_only=True,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@torch.no_grad()
def mmdit_case(pipe, out, h, w, timesteps):
    """input.npy [2,h,w,16], text.npy [2,77,width], pooled.npy [2,width] -> t<T>/output.npy."""
    os.makedirs(out, exist_ok=True)
    config = pipe.transformer.config
    x = reference.normals((2, 16, h, w), [h, w])
    text = reference.normals((2, 77, config.joint_attention_dim), [77])
    pooled = reference.normals((2, config.pooled_projection_dim), [78])
    np.save(f"{out}/input.npy", reference.nhwc(x))
    np.save(f"{out}/text.npy", text.numpy())
    np.save(f"{out}/pooled.npy", pooled.numpy())
    for t in timesteps:
        os.makedirs(f"{out}/t{t}", exist_ok=True)
        y = pipe.transformer(
            hidden_states=x, timestep=torch.tensor([float(t)] * 2), encoder_hidden_states=text,
            pooled_projections=pooled,
        ).sample
        np.save(f"{out}/t{t}/output.npy", reference.nhwc(y))
    reference.write_json(
        f"{out}/case.json", {"timesteps": timesteps, "versions": reference.VERSIONS}
    )


def scheduler_of(pipe, case):
    if case["sampler"] == "euler":
        return pipe.scheduler
    return DPMSolverMultistepScheduler(
        use_flow_sigmas=True, flow_shift=3.0, prediction_type="flow_prediction"
    )


def main():
    a = families.arguments(__doc__)
    torch.set_num_threads(1)
    for model, images in IMAGES.items():
        folder = os.path.normpath(f"{a.out}/tiny-{model}")
        sd3.write_model(folder, model, a.seed)
        sd3.write_list(folder)
        if a.single:
            os.makedirs(a.single, exist_ok=True)
            sd3.write_single(folder, f"{a.single}/{model}.safetensors")
            sd3.check_single(folder, f"{a.single}/{model}.safetensors")
        pipe = load_pipeline(folder)
        golden = f"{folder}/golden"
        families.text_case(pipe, f"{golden}/text", [PROMPT, NEGATIVE, ""])
        mmdit_case(pipe, f"{golden}/mmdit", 10, 14, [981, 40])
        families.vae_case(pipe, f"{golden}/vae", 9, 11)
        for name, case in images.items():
            if name == "lora":
                add_lora(pipe, f"{folder}/lora")
            if name == "t5":
                add_t5(pipe, f"{folder}/t5", f"{a.out}/t5-tokenizer", a.seed)
            case = dict(prompt=PROMPT, seed=7, **case)
            scheduler = scheduler_of(pipe, case)
            families.image_case(pipe, f"{golden}/image-{name}", case, scheduler)
            if name == "lora":
                pipe.unload_lora_weights()


if __name__ == "__main__":
    main()
