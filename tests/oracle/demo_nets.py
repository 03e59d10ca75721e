# SPDX-License-Identifier: MIT
"""The nets that were trained for the small model, in diffusers, float32: writes the images of
tests/test_demo_nets.c to tests/golden/demo-model/.

    python tests/oracle/demo_nets.py [taesd|lora|control|ip_adapter ...]    (all)
"""
import sys
import torch
from diffusers import (
    AutoencoderTiny,
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
)
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection
from demo_model import GUIDANCE, TOP

MODEL, GOLDEN = TOP / "demo-model", TOP / "tests/golden/demo-model"


def load(kind, **parts):
    pipe = kind.from_pretrained(MODEL, torch_dtype=torch.float32, **parts)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(name, pipe, prompt, seed, **more):
    image = pipe(prompt, num_inference_steps=20, guidance_scale=GUIDANCE, output_type="np",
                 generator=torch.Generator("cpu").manual_seed(seed), **more).images[0]
    Image.fromarray((image * 255).round().astype("uint8")).save(GOLDEN / f"{name}.png",
                                                                optimize=True)


def taesd():
    tiny = AutoencoderTiny.from_pretrained(MODEL / "taesd", torch_dtype=torch.float32)
    draw("taesd", load(StableDiffusionPipeline, vae=tiny), "a red apple", 1)
    init = Image.open(GOLDEN / "0.png").convert("RGB")  # both ways through it
    draw("taesd-init", load(StableDiffusionImg2ImgPipeline, vae=tiny), "a green apple", 2,
         image=init, strength=0.6)


def lora():
    pipe = load(StableDiffusionPipeline)
    pipe.load_lora_weights(MODEL / "lora", weight_name="cyanotype.safetensors")
    pipe.fuse_lora()
    pipe.unload_lora_weights()
    pipe.unet.half().float()  # sdrt stores merged weights as the model's own are
    draw("lora", pipe, "a rocket on a red background", 2)


def control():
    net = ControlNetModel.from_pretrained(MODEL / "canny", torch_dtype=torch.float32)
    draw("control", load(StableDiffusionControlNetPipeline, controlnet=net),
         "a fox on a green background", 3, image=Image.open(MODEL / "edges.png").convert("RGB"))


def ip_adapter():
    folder = MODEL / "ip-adapter"
    encoder = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder",
                                                            dtype=torch.float32)
    side = encoder.config.image_size
    pipe = load(StableDiffusionPipeline)
    pipe.register_modules(image_encoder=encoder, feature_extractor=CLIPImageProcessorPil(
        size={"shortest_edge": side}, crop_size=side))
    pipe.load_ip_adapter(folder, subfolder="", weight_name="adapter.safetensors",
                         image_encoder_folder=None, low_cpu_mem_usage=False)
    draw("ip-adapter", pipe, "", 4, ip_adapter_image=Image.open(GOLDEN / "0.png").convert("RGB"))


def main():
    torch.set_num_threads(1)
    all_of_them = {"taesd": taesd, "lora": lora, "control": control, "ip_adapter": ip_adapter}
    for name in sys.argv[1:] or all_of_them:
        all_of_them[name]()


if __name__ == "__main__":
    main()
