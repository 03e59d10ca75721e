#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""webuiapi, a client of A1111's web UI, against a running sdserve:

    pip install webuiapi
    with_webuiapi.py [127.0.0.1 [7860]]
"""
import sys
import threading
import time

import webuiapi
from PIL import Image

host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 7860
api = webuiapi.WebUIApi(host=host, port=port, sampler="Euler a", steps=4)

print("models:", api.util_get_model_names())
print("samplers:", api.util_get_sampler_names())
print("schedulers:", api.util_get_scheduler_names())
for ask in (api.get_sd_vae, api.get_upscalers, api.get_loras, api.get_embeddings, api.get_memory,
            api.get_cmd_flags, api.get_scripts, api.get_prompt_styles, api.get_hypernetworks,
            api.get_face_restorers, api.get_latent_upscale_modes, api.get_realesrgan_models):
    ask()
api.refresh_checkpoints()
api.util_set_model(api.util_get_model_names()[0])
print("current:", api.util_get_current_model())

result = api.txt2img(prompt="red apple", negative_prompt="blue", seed=11, width=128, height=128, n_iter=2)
assert len(result.images) == 2 and result.info["all_seeds"] == [11, 12], result.info
assert result.info["all_prompts"] == ["red apple"] * 2
assert result.image.info["parameters"] == result.info["infotexts"][0]
print("txt2img:", result.image.size, result.info["infotexts"][0].splitlines()[-1][:70])

told = api.png_info(result.image)
assert "Steps: 4" in told.info, told.info
print("png_info:", told.info.splitlines()[0])

image = result.image
mask = Image.new("RGB", image.size)
mask.paste((255, 255, 255), (0, 0, image.width // 2, image.height))
changed = api.img2img(images=[image], prompt="green apple", seed=11, denoising_strength=0.6,
                      width=128, height=128)
assert changed.image.tobytes() != image.tobytes()
inside = api.img2img(images=[image], mask_image=mask, mask_blur=0, inpaint_full_res=False, inpainting_fill=1,
                     prompt="green apple", seed=11, denoising_strength=0.9, width=128, height=128)
right = (image.width // 2, 0, image.width, image.height)
assert inside.image.crop(right).tobytes() == image.crop(right).tobytes(), "the mask's outside changed"
print("img2img: with and without a mask")

options = api.get_options()
api.set_options({"CLIP_stop_at_last_layers": 2})
assert api.get_options()["CLIP_stop_at_last_layers"] == 2
api.set_options({"CLIP_stop_at_last_layers": options["CLIP_stop_at_last_layers"]})
print("options: clip skip there and back")

answers = []
thread = threading.Thread(target=lambda: answers.append(
    api.txt2img(prompt="red apple", steps=150, seed=1, width=256, height=256)))
thread.start()
seen = 0.0
for _ in range(400):
    progress = api.get_progress()
    seen = max(seen, progress["progress"])
    if progress["state"]["sampling_step"] >= 3:
        break
    time.sleep(0.01)
begun = time.time()
api.interrupt()
thread.join()
assert seen > 0 and answers, "no progress was seen"
print(f"progress: {seen:.3f}; interrupt: answered {time.time() - begun:.2f} s later")

unfinished = answers[0]
assert len(unfinished.images) == 1 and "Stopped after: " in unfinished.info["infotexts"][0], unfinished.info
print("interrupt: an unfinished image,", unfinished.info["infotexts"][0].split(", ")[-1])

large = api.txt2img(prompt="red apple", seed=11, width=128, height=128, enable_hr=True, hr_scale=1.5,
                    hr_upscaler=webuiapi.HiResUpscaler.Latent, hr_second_pass_steps=3, denoising_strength=0.5)
assert large.image.size == (192, 192), large.image.size
print("highres fix:", large.image.size, large.info["extra_generation_params"])
double = api.extra_single_image(image, upscaler_1="Lanczos", upscaling_resize=2)
assert double.image.size == (256, 256), double.image.size
print("extra-single-image:", double.image.size)

try:
    api.txt2img(prompt="x", styles=["none such"])
    raise SystemExit("a style was taken")
except Exception as error:
    assert "styles" in str(error), error
    print("refused:", str(error)[:100])
print("all good")
