# SPDX-License-Identifier: MIT
"""CLIP's simple_tokenizer.py as OpenAI published it, on top of open_clip's copy.

open_clip (pip install open_clip_torch==3.3.0 ftfy==6.3.1) changed three things, which are
put back here as in https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py: the
names of the two special tokens, white-space cleaning by a regular expression of the
module regex, and the cache's first entries.
"""
import importlib.util
import os

import regex


def _load_open_clip():
    spec = importlib.util.find_spec("open_clip")
    path = os.path.join(spec.submodule_search_locations[0], "tokenizer.py")
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


open_clip = _load_open_clip()


def whitespace_clean(text):
    text = regex.sub(r"\s+", " ", text)
    return text.strip()


class SimpleTokenizer(open_clip.SimpleTokenizer):
    def __init__(self):
        super().__init__(clean="lower")
        for old, new in (("<start_of_text>", "<|startoftext|>"),
                         ("<end_of_text>", "<|endoftext|>")):
            self.encoder[new] = self.encoder.pop(old)
        self.cache = {t: t for t in ("<|startoftext|>", "<|endoftext|>")}
        self.pat = regex.compile(
            r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|"""
            r"""[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+""", regex.IGNORECASE)
        self.clean_fn = lambda text: whitespace_clean(open_clip.basic_clean(text)).lower()

    def encode_bytes(self, data):
        """Ids of any bytes, without begin and end."""
        return self.encode(data.decode("utf-8", errors="replace"))
