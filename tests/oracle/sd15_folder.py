# SPDX-License-Identifier: MIT
"""The files around the weights of a Stable Diffusion 1.5 diffusers folder: tokenizer, scheduler,
index."""

import json
import os

SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
}
MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.6.0",
    "feature_extractor": [None, None],
    "safety_checker": [None, None],
    "requires_safety_checker": False,
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def byte_symbols():
    """CLIP's (and GPT-2's) printable stand-in for each byte, in the order in which the vocabulary
    lists them."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in kept]
    return [chr(b) for b in kept] + [chr(256 + i) for i in range(len(rest))]


def clip_merges(count):
    """The first `count` merges of CLIP's published list (48894 in all)."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "model", "text", "data",
                        "clip_merges.txt")
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    return lines[1 : 1 + min(count, 49152 - 256 - 2)]


def write_json(path, data):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(data, f, indent=2, ensure_ascii=False)
        f.write("\n")


def write_tokenizer(folder, merges):
    """vocab.json, merges.txt and their settings, as the published folder has them. Returns the
    vocabulary's size."""
    os.makedirs(folder, exist_ok=True)
    base = byte_symbols()
    vocab = base + [b + "</w>" for b in base] + [m.replace(" ", "") for m in merges]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    with open(f"{folder}/vocab.json", "w", encoding="utf-8") as f:
        json.dump({t: i for i, t in enumerate(vocab)}, f, ensure_ascii=False)
    with open(f"{folder}/merges.txt", "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "\n".join(merges) + "\n")
    special = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    }
    write_json(f"{folder}/special_tokens_map.json", special)
    write_json(
        f"{folder}/tokenizer_config.json",
        {
            **special,
            "add_prefix_space": False,
            "do_lower_case": True,
            "errors": "replace",
            "model_max_length": 77,
            "tokenizer_class": "CLIPTokenizer",
        },
    )
    return len(vocab)


def write_index(folder):
    os.makedirs(f"{folder}/scheduler", exist_ok=True)
    write_json(f"{folder}/scheduler/scheduler_config.json", SCHEDULER)
    write_json(f"{folder}/model_index.json", MODEL_INDEX)
