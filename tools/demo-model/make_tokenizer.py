# SPDX-License-Identifier: MIT
"""A CLIP tokenizer whose vocabulary is the words of the captions: byte-pair merges until each
word is one token. Other words fall apart into letters."""
import collections
import json
import pathlib
import sys
import data

BOS, EOS = "<|startoftext|>", "<|endoftext|>"


def byte_letters():
    """The 256 printable characters that stand for bytes, in CLIP's order."""
    own = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(b) for b in own] + [chr(256 + i) for i in range(256 - len(own))]


def learn_merges(words):
    """Byte-pair encoding (Sennrich et al. 2016), ties to the first in the alphabet."""
    spelled = [[*word[:-1], word[-1] + "</w>"] for word in sorted(words)]
    merges = []
    while True:
        pairs = collections.Counter(p for w in spelled for p in zip(w, w[1:]))
        if not pairs:
            return merges
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        for w in spelled:
            i = 0
            while i < len(w) - 1:
                if (w[i], w[i + 1]) == best:
                    w[i:i + 2] = ["".join(best)]
                i += 1


def main(folder):
    words = set(data.COLOURS) | set("on a background".split())
    for _, names in data.read_captions():
        words.update(word for name in names for word in name.split())
    assert all(w.isascii() and w.isalpha() and w.islower() for w in words)
    merges = learn_merges(words)
    letters = byte_letters()
    tokens = letters + [c + "</w>" for c in letters]
    tokens += ["".join(m) for m in merges if "".join(m) not in set(tokens)] + [BOS, EOS]
    tokens = list(dict.fromkeys(tokens))
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False, indent=0)
    (folder / "vocab.json").write_text(text + "\n", encoding="utf-8")
    (folder / "merges.txt").write_text(
        "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    config = {"model_max_length": 24, "bos_token": BOS, "eos_token": EOS, "unk_token": EOS,
              "pad_token": EOS, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    print(len(words), "words,", len(merges), "merges,", len(tokens), "tokens")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
