#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/t5-tokenizer: a SentencePiece model made as T5's was (unigram, nmt_nfkc, pad 0,
end 1, unknown 2), the tokenizer.json that transformers makes of it, and prompts with the ids that
transformers' T5TokenizerFast gives them.

    python3 tests/oracle/make_t5_tokenizer_golden.py

Needs sentencepiece 0.2, protobuf and transformers.  T5's own model is not free to copy here, so a
small one is trained, on words of CLIP's merges and of a few other scripts.  Each line of the
prompts' file holds the prompt's bytes in hexadecimal, a tab, and the ids with the end token; a
last column, where there is one, the ids that SentencePiece itself gives where they differ.
"""
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
OUT = os.path.join(HERE, "..", "golden", "t5-tokenizer")
MERGES = os.path.join(HERE, "..", "..", "model", "text", "data", "clip_merges.txt")

import sentencepiece  # noqa: E402
import transformers  # noqa: E402
from make_tokenizer_golden import ACCENTS, CONTRACTIONS, DIGITS, EMOJI, HTML, PLAIN, SCRIPTS  # noqa: E402

ODD = [
    " ", "  ", "\t\n", " a", "a ", "  a   b  ", "a\tb\nc\r\nd", "\u3000a\u3000b", "a\u00a0b\u2003c", "\u2581", "a\u2581b",
    "\u2581\u2581a\u2581", "a \u2581 b", "\x01\x02a\x7f\x80b", "\u200bzero\u200bwidth", "\ufeffbom", "a\ufffdb",
    "\uff21\uff22\uff23 \uff11\uff12\uff13", "\uff1cpad\uff1e \uff1c/s\uff1e", "<pad>", "a<pad>b", "</s>", "a </s> b</s>",
    "<unk>", "x<unk>y", "<extra_id_0>", "<extra_id_99> a<extra_id_7>", "<extra_id_100>", "<extra_id_", "<PAD>",
    "\ufb01ne \ufb01\u0301ne", "e\u0301 a\u0301\u0323 \u0301", "x\u0301\u0302\u0303\u0304\u0305y", "\uff76\uff9e \uff8a\uff9f", "\u1100\u1161\u11a8", "\uac00\u11a8",
    "\u0e33 \u0eb3", "\u2460\u2461 \u3231 \u33a5 \u337f", "\u212b \u2126 \u00bd \u2075 \u1d2c", "\u0041\u030a", "\u0e01\u0e33", "\U0001d400\U0001d41a",
    "\u2028a\u2029b\u0085c\u1680d", "\u202fe\u205ff\u180eg", "\u00adsoft\u00adhyphen", "qqqqqqqq zzzz", "\u4e00" * 40, "~" * 9,
    "~ ~~ ~~~", "a" * 700, "word " * 300, "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\ud7a3\u11a8\u1161",
    "\u00b4 \u00a8 \u00b8x", "\u2025 \u2026 \u22ef", "\u2033\u2034\u2057", "\u01c4 \u0133 \u017f", "\u1e9b\u0323", "\u0958 \u09dc",
]


def words():
    random.seed(1)
    merged = [line.split() for line in open(MERGES, encoding="utf-8").read().split("\n")[1:] if line]
    whole = [(a + b)[:-4] for a, b in merged if (a + b).endswith("</w>")]
    return [w for w in whole if w.isascii() and w.isalpha()][:12000]


def corpus(path):
    pool, random_ = words(), random.Random(2)
    with open(path, "w", encoding="utf-8") as f:
        for _ in range(9000):
            picked = [pool[int(len(pool) * random_.random() ** 2)] for _ in range(12)]
            line = " ".join(w.capitalize() if random_.random() < 0.1 else w for w in picked)
            f.write(line + random_.choice([".", ",", "!", " -", "", " 42", ": 3.14", " (a)", "'s"]) + "\n")
        for text in 12 * (ACCENTS + SCRIPTS):
            f.write(text + "\n")


def train():
    path = os.path.join(OUT, "corpus.txt")
    corpus(path)
    sentencepiece.SentencePieceTrainer.train(
        input=path, model_prefix=os.path.join(OUT, "spiece"), model_type="unigram", vocab_size=1000,
        normalization_rule_name="nmt_nfkc", pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
        character_coverage=0.9995, num_threads=1, minloglevel=2)
    os.remove(path)
    os.remove(os.path.join(OUT, "spiece.vocab"))


def random_prompts(count):
    random_ = random.Random(3)
    ranges = [(0x20, 0x7e)] * 6 + [(0xa0, 0x24f), (0x300, 0x36f), (0x370, 0x58f), (0x600, 0x6ff),
              (0x1e00, 0x1fff), (0x2000, 0x214f), (0x2460, 0x24ff), (0x3000, 0x30ff),
              (0x3300, 0x33ff), (0xac00, 0xad00), (0xf900, 0xfaff), (0xff00, 0xffef),
              (0x1d400, 0x1d4ff), (0x1f300, 0x1f64f)]
    for _ in range(count):
        low, high = random_.choice(ranges)
        text = ""
        for _ in range(random_.randrange(1, 30)):
            if random_.random() < 0.3:
                low, high = random_.choice(ranges)
            text += " " if random_.random() < 0.15 else chr(random_.randint(low, high))
        yield text


def main():
    os.makedirs(OUT, exist_ok=True)
    train()
    model = os.path.join(OUT, "spiece.model")
    plain = sentencepiece.SentencePieceProcessor(model_file=model)
    fast = transformers.T5TokenizerFast.from_pretrained(OUT)
    fast.backend_tokenizer.save(os.path.join(OUT, "tokenizer.json"), pretty=False)
    prompts = PLAIN + CONTRACTIONS + DIGITS + EMOJI + SCRIPTS + ACCENTS + HTML + ODD
    prompts += list(random_prompts(250))
    differ = 0
    with open(os.path.join(OUT, "prompts.txt"), "w", encoding="utf-8") as f:
        for text in prompts:
            ids, theirs = fast(text)["input_ids"], plain.encode(text) + [1]
            differ += ids != theirs
            columns = [text.encode().hex(), " ".join(map(str, ids))]
            f.write("\t".join(columns + ([" ".join(map(str, theirs))] if ids != theirs else [])) + "\n")
    print(len(prompts), "prompts; SentencePiece itself differs in", differ)


if __name__ == "__main__":
    main()
