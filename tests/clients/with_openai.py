#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""OpenAI's own client against a running sdserve:

    pip install openai pillow
    with_openai.py [http://127.0.0.1:7860]
"""
import base64
import io
import sys

import openai
from PIL import Image

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860"
client = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0)
more = {"steps": 4, "seed": 11}


def picture(b64):
    return Image.open(io.BytesIO(base64.b64decode(b64)))


models = [model.id for model in client.models.list()]
assert models, "no models"
assert client.models.retrieve(models[0]).id == models[0]
print("models:", models)

first = client.images.generate(prompt="red apple", n=2, response_format="b64_json", extra_body=more)
assert len(first.data) == 2
image = picture(first.data[0].b64_json)
print("generate:", image.size, image.info["parameters"].splitlines()[-1][:70])
again = client.images.generate(prompt="red apple", response_format="b64_json", extra_body=more)
assert again.data[0].b64_json == first.data[0].b64_json, "the same seed gave another image"

by_url = client.images.generate(prompt="red apple", response_format="url", extra_body=more)
import urllib.request
assert urllib.request.urlopen(by_url.data[0].url).read() == base64.b64decode(again.data[0].b64_json)
print("url:", by_url.data[0].url)

file = io.BytesIO(base64.b64decode(again.data[0].b64_json))
file.name = "apple.png"
hole = Image.new("RGBA", image.size, (0, 0, 0, 255))
hole.paste((0, 0, 0, 0), (0, 0, image.width // 2, image.height))
mask = io.BytesIO()
hole.save(mask, "PNG")
mask.seek(0)
mask.name = "mask.png"
edited = picture(client.images.edit(image=file, mask=mask, prompt="green apple", extra_body=more).data[0].b64_json)
right = (image.width // 2, 0, image.width, image.height)
assert edited.convert("RGB").crop(right).tobytes() == image.convert("RGB").crop(right).tobytes(), \
    "the mask's outside changed"
assert edited.tobytes() != image.tobytes(), "the mask's inside did not change"
print("edit: only where the mask is transparent")

kinds = []
for event in client.images.generate(prompt="red apple", stream=True, partial_images=2, extra_body=more):
    kinds.append(event.type)
    if event.type.endswith("completed"):
        assert event.b64_json == again.data[0].b64_json, "the stream gave another image"
assert kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"], kinds
print("stream:", kinds)

try:
    client.images.generate(prompt="x", extra_body={"bogus": 1})
    raise SystemExit("an unknown field was taken")
except openai.BadRequestError as error:
    assert error.param == "bogus", error
    print("refused:", error.body["message"])
print("all good")
