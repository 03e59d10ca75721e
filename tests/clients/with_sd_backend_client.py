#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sd-backend-client, a client of A1111's web UI and of ComfyUI, against a running sdserve:

    pip install sd-backend-client
    with_sd_backend_client.py [http://127.0.0.1:7860]
"""
import sys
import time

from PIL import Image
from sd_backend_client import A1111Webservice, DiffusionRequestBody, GenerationStatus, connect_to_backend

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860"
api = connect_to_backend(url)
assert isinstance(api, A1111Webservice), type(api)

print("checkpoints:", [option.name for option in api.list_checkpoints()])
print("samplers:", len(api.list_samplers()), "schedulers:", len(api.list_schedulers()),
      "upscalers:", [option.name for option in api.list_upscalers()])
for ask in (api.list_vaes, api.list_loras, api.list_hypernetworks, api.list_controlnet_models,
            api.get_controlnet_preprocessors, api.get_controlnet_type_categories, api.get_controlnet_settings,
            api.get_capabilities, api.get_latent_upscale_modes, api.get_styles, api.get_scripts, api.get_config,
            api.refresh_checkpoints, api.refresh_vae, api.refresh_loras):
    ask()
print("controlnet:", api.get_controlnet_version(), "capabilities:", api.get_capabilities())


def body(**more):
    return DiffusionRequestBody(prompt="red apple", negative_prompt="blue", steps=4, seed=11, width=128, height=128,
                                sd_model_name=api.list_checkpoints()[0].name, **more)


drawn = api.submit_txt2img(body(batch_size=2)).wait(timeout=120, poll_interval=0.05)
image = drawn.images[0]
assert len(drawn.images) == 2 and drawn.seeds == [11, 12] and image.size == (128, 128), drawn
assert drawn.raw_info.sampler_name == "Euler a", drawn.raw_info
print("txt2img:", [i.size for i in drawn.images], drawn.seeds)

twice = api.txt2img(body(enable_hr=True, hr_scale=1.5, hr_upscaler="Latent", hr_second_pass_steps=3,
                         denoising_strength=0.5))
assert twice["images"][0].size == (192, 192), twice
print("highres fix:", twice["images"][0].size)

changed = api.submit_img2img(body(init_images=[image], denoising_strength=0.6)).wait(timeout=120)
assert changed.images[0].size == image.size and changed.images[0].convert("RGB").tobytes() != image.convert("RGB").tobytes()
mask = Image.new("L", image.size)
mask.paste(255, (0, 0, 64, 128))
inside = api.submit_inpaint(body(init_images=[image], mask=mask, mask_blur=0, inpaint_full_res=False,
                                 denoising_strength=0.9)).wait(timeout=120)
right = (64, 0, 128, 128)
assert inside.images[0].convert("RGB").crop(right).tobytes() == image.convert("RGB").crop(right).tobytes(), \
    "the mask's outside changed"
print("img2img, inpaint: the mask's outside stays")

large = api.submit_upscale(image, 200, 160).wait(timeout=120)
assert large.images[0].size == (200, 160), large.images[0].size
print("upscale:", large.images[0].size)

seen = []
handle = api.submit_txt2img(DiffusionRequestBody(prompt="red apple", steps=150, seed=1, width=256, height=256))
for _ in range(2000):
    progress = handle.poll()
    seen.append(progress.progress or 0)
    if progress.done or seen[-1] > 0:
        break
    time.sleep(0.01)
assert max(seen) > 0 and handle.cancel(), seen[-5:]
while not handle.done:
    time.sleep(0.05)
print(f"progress: {max(seen):.3f}; cancelled: {handle.poll().status}")
assert handle.poll().status in (GenerationStatus.CANCELLED, GenerationStatus.FINISHED)
print("all good")
