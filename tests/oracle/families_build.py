# SPDX-License-Identifier: MIT
"""Random-weight SD 2.1, SDXL and SDXL refiner of a tiny or of the published size, as diffusers
folders and single files. sd15_weights.py says how the weights are drawn."""

import gc
import json
import os

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as ldm
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

import families_names as names
import sd15_build as build
import sd15_folder as folder
import sd15_weights as weights

DOWN, CROSS = ("DownBlock2D", "UpBlock2D"), ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D")
SNR = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
V = {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"}
EULER = {"_class_name": "EulerDiscreteScheduler", "prediction_type": "epsilon"}


def unet_config(widths, depths, layers, context, size, added=None):
    """depths: transformer blocks of each level, 0 for none; added: (input width, id width)."""
    kinds = [CROSS if d else DOWN for d in depths]
    more = {}
    if added:
        more = dict(
            addition_embed_type="text_time",
            projection_class_embeddings_input_dim=added[0],
            addition_time_embed_dim=added[1],
        )
    deep = [max(d, 1) for d in depths]
    if not deep[-1] > 1 and depths[-1] == 0:
        deep[-1] = max(depths)  # the middle block takes the last level's
    return dict(
        sample_size=size,
        block_out_channels=widths,
        down_block_types=tuple(k[0] for k in kinds),
        up_block_types=tuple(k[1] for k in reversed(kinds)),
        transformer_layers_per_block=tuple(deep),
        layers_per_block=layers,
        attention_head_dim=tuple(w // 64 or 1 for w in widths),
        norm_num_groups=32,
        cross_attention_dim=context,
        use_linear_projection=True,
        **more,
    )


def text(width, layers, inner, act="gelu", projection=0):
    return dict(width=width, layers=layers, inner=inner, act=act, projection=projection)


FAMILIES = {
    "sd21": dict(
        pipeline="StableDiffusionPipeline",
        scheduler={**V, **SNR},
        tiny=dict(
            unet=unet_config((64, 64), (1, 0), 1, 64, 32),
            text_encoder=text(64, 2, 128),
            vae=((32, 32), 1),
        ),
        full=dict(
            unet=unet_config((320, 640, 1280, 1280), (1, 1, 1, 0), 2, 1024, 96),
            text_encoder=text(1024, 23, 4096),
            vae=((128, 256, 512, 512), 2),
        ),
        scaling=0.18215,
    ),
    "sdxl": dict(
        pipeline="StableDiffusionXLPipeline",
        scheduler=EULER,
        tiny=dict(
            unet=unet_config((32, 64, 64), (0, 1, 2), 1, 192, 32, (128 + 6 * 16, 16)),
            text_encoder=text(64, 3, 128, "quick_gelu"),
            text_encoder_2=text(128, 3, 128, projection=128),
            vae=((32, 32), 1),
        ),
        full=dict(
            unet=unet_config((320, 640, 1280), (0, 2, 10), 2, 2048, 128, (2816, 256)),
            text_encoder=text(768, 12, 3072, "quick_gelu"),
            text_encoder_2=text(1280, 32, 5120, projection=1280),
            vae=((128, 256, 512, 512), 2),
        ),
        scaling=0.13025,
    ),
    "sdxl-refiner": dict(
        pipeline="StableDiffusionXLImg2ImgPipeline",
        scheduler=EULER,
        tiny=dict(
            unet=unet_config((32, 64, 64), (0, 2, 0), 1, 128, 32, (128 + 5 * 16, 16)),
            text_encoder_2=text(128, 3, 128, projection=128),
            vae=((32, 32), 1),
        ),
        full=dict(
            unet=unet_config((384, 768, 1536, 1536), (0, 4, 4, 0), 2, 1280, 128, (2560, 256)),
            text_encoder_2=text(1280, 32, 5120, projection=1280),
            vae=((128, 256, 512, 512), 2),
        ),
        scaling=0.13025,
    ),
}


def write_index(out, family, parts):
    f = FAMILIES[family]
    os.makedirs(f"{out}/scheduler", exist_ok=True)
    keep = ("beta_end", "beta_schedule", "beta_start", "num_train_timesteps", "set_alpha_to_one",
            "clip_sample", "steps_offset", "timestep_spacing", "trained_betas")
    base = {k: folder.SCHEDULER[k] for k in keep}
    folder.write_json(f"{out}/scheduler/scheduler_config.json", {**base, **f["scheduler"]})
    xl = "XL" in f["pipeline"]
    index = {
        "_class_name": f["pipeline"],
        "_diffusers_version": "0.19.0",
        "scheduler": ["diffusers", f["scheduler"]["_class_name"]],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    for i, kind in (("", "CLIPTextModel"), ("_2", "CLIPTextModelWithProjection"))[: 1 + xl]:
        there = f"text_encoder{i}" in parts
        index[f"text_encoder{i}"] = ["transformers", kind] if there else [None, None]
        index[f"tokenizer{i}"] = ["transformers", "CLIPTokenizer"] if there else [None, None]
    if xl:
        index["force_zeros_for_empty_prompt"] = family == "sdxl"
        if family == "sdxl-refiner":
            index["requires_aesthetics_score"] = True
    else:
        index["feature_extractor"] = index["safety_checker"] = [None, None]
        index["requires_safety_checker"] = False
    folder.write_json(f"{out}/model_index.json", index)


def write_tokenizer(out, pad, merges):
    """As sd15_folder's, but for the padding token."""
    vocab = folder.write_tokenizer(out, folder.clip_merges(merges))
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        data = json.load(open(f"{out}/{name}"))
        folder.write_json(f"{out}/{name}", {**data, "pad_token": pad})
    return vocab


def build_text(rng, tokenizer_dir, size, vocab):
    config = CLIPTextConfig(
        vocab_size=vocab,
        hidden_size=size["width"],
        intermediate_size=size["inner"],
        num_hidden_layers=size["layers"],
        num_attention_heads=max(size["width"] // 64, 1),
        projection_dim=size["projection"] or size["width"],
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
        hidden_act=size["act"],
        layer_norm_eps=1e-5,
    )
    kind = CLIPTextModelWithProjection if size["projection"] else CLIPTextModel
    model = kind(config).eval()
    ids = build.token_ids(CLIPTokenizer.from_pretrained(tokenizer_dir), build.CALIBRATION_PROMPTS)
    weights.random_clip(model, rng, ids)
    with torch.no_grad():
        out = model(ids, output_hidden_states=True)
    return model, out


def save_part(model, out, part, dtype=torch.float16):
    os.makedirs(f"{out}/{part}", exist_ok=True)
    is_text = part.startswith("text")
    if is_text:
        model.config.to_json_file(f"{out}/{part}/config.json")
    else:
        model.save_config(f"{out}/{part}")
    state = model.to(dtype).state_dict()  # one tensor after the other: SDXL's f32 are 10 GB
    if is_text:
        state = {
            k if k.startswith(("text_model.", "text_projection")) else f"text_model.{k}": v
            for k, v in state.items()
        }
    path = f"{out}/{part}/{'model' if is_text else 'diffusion_pytorch_model'}.safetensors"
    save_file({k: v.contiguous() for k, v in state.items()}, path, metadata={"format": "pt"})


def load_part(out, part):
    name = "model" if part.startswith("text") else "diffusion_pytorch_model"
    state = load_file(f"{out}/{part}/{name}.safetensors")
    return {k.removeprefix("text_model."): v for k, v in state.items()}


def build_vae(size, seed, channels, **more):
    """size: (width of each level, resnets a level)."""
    widths, layers = size
    vae = AutoencoderKL(
        block_out_channels=widths,
        layers_per_block=layers,
        latent_channels=channels,
        norm_num_groups=32,
        sample_size=1024,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        **more,
    ).eval()
    weights.random_vae(vae, build.generator(seed, 10), 16)
    return vae


def pooled_tensors(model, seed, bits, norm):
    """(name, tensor) of a model without weights: each tensor cut from one pool of normals and
    scaled by fan-in, or what norm(name, tensor) makes of it where that is not None. For sizes where
    drawing takes too long. f16."""
    draw = build.generator(seed, 12)
    pool = torch.from_numpy(draw.standard_normal(1 << bits, dtype="float32"))
    for name, p in model.named_parameters():
        n, at = p.numel(), int(draw.integers(pool.numel()))
        x = pool.roll(-at).repeat(-(-n // pool.numel()))[:n].reshape(p.shape)
        scaled = norm(name, x)
        if scaled is None:
            scaled = x * (p[0].numel() ** -0.5 if name.endswith("weight") else 0.1)
        yield name, scaled.to(torch.float16).contiguous()


def plain_unet(config, seed):
    """(model without weights, its state), neither drawn weight by weight nor calibrated."""
    with torch.device("meta"):
        model = UNet2DConditionModel(**config)
    kinds = dict(model.named_modules())

    def norm(name, x):
        if isinstance(kinds[name.rsplit(".", 1)[0]], (torch.nn.GroupNorm, torch.nn.LayerNorm)):
            return 1 + 0.1 * x if name.endswith("weight") else 0.05 * x

    return model, dict(pooled_tensors(model, seed, 22, norm))


def added_of(pooled, width, numbers=(1024.0, 1024.0, 0.0, 0.0, 1024.0, 1024.0)):
    ids = torch.tensor([numbers[:width]] * pooled.shape[0])
    return {"text_embeds": pooled, "time_ids": ids}


def write_family(out, family, scale, seed, plain=False):
    """Each part is built once, written and freed; the calibration text is kept. plain: as
    plain_unet says; text encoders and VAE that are there stay."""
    f = FAMILIES[family]
    sizes = f[scale]
    parts = [p for p in sizes if p.startswith("text")]
    write_index(out, family, parts)
    contexts, pooled = [], None
    for i, part in enumerate(parts):
        pad = "<|endoftext|>" if sizes[part]["act"] == "quick_gelu" else "!"
        where = f"{out}/{part.replace('text_encoder', 'tokenizer')}"
        vocab = write_tokenizer(where, pad, 86 if scale == "tiny" else 48894)
        if plain and os.path.exists(f"{out}/{part}/model.safetensors"):
            continue
        model, result = build_text(build.generator(seed, i), where, sizes[part], vocab)
        save_part(model, out, part)
        final = family == "sd21"
        contexts.append(result.last_hidden_state if final else result.hidden_states[-2])
        pooled = result.text_embeds if sizes[part]["projection"] else pooled
        del model
        gc.collect()
    save_part(build_vae(sizes["vae"], seed, 4, scaling_factor=f["scaling"]), out, "vae")
    if plain:
        model, state = plain_unet(sizes["unet"], seed)
        model.save_config(f"{out}/unet")
        save_file(state, f"{out}/unet/diffusion_pytorch_model.safetensors")
        return
    added = None
    if pooled is not None:
        added = added_of(pooled, 5 if family == "sdxl-refiner" else 6)
    unet = UNet2DConditionModel(**sizes["unet"]).eval()
    fit = weights.random_unet(
        unet, build.generator(seed, 11), 16 if scale == "tiny" else 32, torch.cat(contexts, -1),
        added=added,
    )
    print(f"{family}: {sum(p.numel() for p in unet.parameters())} parameters in the U-Net, linear "
          f"read-out explains {fit:.4f}")
    save_part(unet, out, "unet")


def parts_of(out):
    return {p: load_part(out, p) for p in sorted(os.listdir(out)) if p.startswith(
        ("text_encoder", "unet", "vae"))}


def layout_of(out):
    levels = len(json.load(open(f"{out}/vae/config.json"))["block_out_channels"])
    return parts_of(out), json.load(open(f"{out}/unet/config.json")), levels


def write_single(out, path):
    state, seen = names.to_single(*layout_of(out)), set()
    for k, v in state.items():
        if v.data_ptr() in seen:  # the layer that a folder lacks is another one's
            state[k] = v.clone()
        seen.add(v.data_ptr())
    save_file(state, path, metadata={"format": "pt"})


def write_list(out):
    with open(f"{out}/single-names.txt", "w") as f:
        f.writelines(line + "\n" for line in names.single_list(*layout_of(out)))


def check_single(out, path, family):
    """diffusers' own conversion of the single file must give the folder's tensors."""
    unet_config = json.load(open(f"{out}/unet/config.json"))
    vae_config = json.load(open(f"{out}/vae/config.json"))
    parts = parts_of(out)

    def text_back(part):
        prefix = {
            "sd21": "cond_stage_model.model.",
            "sdxl": "conditioner.embedders.1.model.",
            "sdxl-refiner": "conditioner.embedders.0.model.",
        }[family]
        if part == "text_encoder" and family == "sdxl":
            return lambda s: ldm.convert_ldm_clip_checkpoint(s)
        width = parts[part]["final_layer_norm.weight"].shape[0]
        holder = type("M", (), {"config": type("C", (), {"hidden_size": width})})
        return lambda s: ldm.convert_open_clip_checkpoint(holder, s, prefix=prefix)

    back = {
        "unet": lambda s: ldm.convert_ldm_unet_checkpoint(s, unet_config),
        "vae": lambda s: ldm.convert_ldm_vae_checkpoint(s, vae_config),
        **{p: text_back(p) for p in parts if p.startswith("text")},
    }
    for part, convert in back.items():
        got = {k.removeprefix("text_model."): v for k, v in convert(load_file(path)).items()}
        want = parts[part]
        count = sum(k.endswith("layer_norm1.weight") for k in want)
        cut = (f"encoder.layers.{count}.", "text_projection") if family == "sd21" else ("-",)
        got = {k: v for k, v in got.items() if "position_ids" not in k and not k.startswith(cut)}
        if got.keys() != want.keys():
            raise SystemExit(f"{path}: {part}: {sorted(got.keys() ^ want.keys())[:6]}")
        for k, v in want.items():
            if not torch.equal(got[k].reshape(v.shape), v):
                raise SystemExit(f"{path}: {part}: {k} differs")
        print(f"{path}: {part}: {len(want)} tensors equal after diffusers' own conversion")
