# SPDX-License-Identifier: MIT
"""Writes what was trained as a diffusers folder in f16, which diffusers and sdgen read."""
import json
import pathlib
import shutil
import sys
import torch
from diffusers import DDIMScheduler
import common
from train_unet import make_networks


def shrink(path):
    """Configurations as diffusers writes them, without what names this machine's versions."""
    config = json.loads(path.read_text())
    for key in ("_diffusers_version", "transformers_version", "_name_or_path"):
        config.pop(key, None)
    path.write_text(json.dumps(config, indent=2) + "\n")


def main(trained, folder):
    state = torch.load(trained / "unet.pt")
    _, networks = make_networks(trained)
    networks.load_state_dict(state["average"])
    vae = common.make_vae()
    vae.register_to_config(scaling_factor=1.0)
    vae.load_state_dict(torch.load(trained / "vae.pt")["vae"])
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=False, steps_offset=1, prediction_type="v_prediction")
    for name, part in (("unet", networks["unet"]), ("vae", vae),
                       ("text_encoder", networks["text"])):
        part.half().to(memory_format=torch.contiguous_format)
        part.save_pretrained(folder / name)
        shrink(folder / name / "config.json")
    scheduler.save_pretrained(folder / "scheduler")
    shrink(folder / "scheduler" / "scheduler_config.json")
    shutil.copytree(trained / "tokenizer", folder / "tokenizer", dirs_exist_ok=True)
    index = {
        "_class_name": "StableDiffusionPipeline", "feature_extractor": [None, None],
        "image_encoder": [None, None], "requires_safety_checker": False,
        "safety_checker": [None, None], "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    print(f"share of the training: {state['share']:.2f}",
          sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()), "bytes")


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:3]))
