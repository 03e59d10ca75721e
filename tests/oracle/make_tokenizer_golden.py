#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/tokenizer.txt: prompts and the ids that CLIP's own tokenizer gives.

    python3 tests/oracle/make_tokenizer_golden.py

Needs open_clip_torch 3.3.0, ftfy 6.3.1 and regex.  Each line holds the prompt's bytes in
hexadecimal, a tab, and the ids without begin and end.  Random prompts come from a fixed
seed.  Characters that are younger than Unicode 14 are left out, since every library knows
another version of it.
"""
import html.entities
import os
import random
import sys
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import clip_reference  # noqa: E402
from ftfy import chardata  # noqa: E402

PLAIN = [
    "", "a", "a photo of a cat", "an astronaut riding a horse on mars",
    "a photograph of an astronaut riding a horse", "masterpiece, best quality, 8k, HDR, RAW photo",
    "(masterpiece:1.2), [blurry], {detailed}", "portrait of a woman, oil on canvas, by Rembrandt",
    "low quality, worst quality, jpeg artifacts, watermark, signature, username",
    "A BEAUTIFUL SUNSET OVER THE OCEAN", "Hello, World!", "hello   world", "...", "!!!???",
    "cyberpunk city at night -- neon lights --ar 16:9", "snake_case and kebab-case", "a/b\\c|d",
    "1girl, solo, long hair", "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "e=mc^2 & a<b>c", "email@example.com http://example.com/?q=1&r=2#top", "\"quoted\" 'text'",
    "<|startoftext|>", "<|endoftext|>", "a <|endoftext|> b", "<|ENDOFTEXT|>x<|StartOfText|>",
    "<|endoftext", "<|\u017ftartoftext|>", "x<|endoftext|>", "!<|endoftext|>", "<start_of_text>",
]
CONTRACTIONS = [
    "it's a dog's life", "don't can't won't", "we're they've I'm you'll he'd", "IT'S DON'T WE'RE",
    "rock'n'roll", "'s 't 're", "''s", "!'s", "o'clock", "\u2019s it\u2019s", "'\u017f", "y'all'd've",
    "l'\u00e9t\u00e9 d'amour", "'LL 'VE 'D", "the dogs' bowls", "'sun", "'tis 'twas",
]
DIGITS = ["0123456789", "1 2 3", "3.14159", "year 2023", "\u0661\u0662\u0663", "\u00bd cup \u00be",
          "x\u00b2 y\u00b3 H\u2082O", "\u2160\u2161\u2162 \u2170\u2171", "\u2460\u2461\u24b6\u24d0",
          "1st 2nd 3rd", "4K 8k 1080p", "\u4e00\u4e8c\u4e09", "\U0001d7d8\U0001d7d9", "12:30", "1/2"]
EMOJI = [
    "\U0001f600", "\U0001f600\U0001f600", "a \U0001f431 cat", "\U0001f468\u200d\U0001f469\u200d"
    "\U0001f467\u200d\U0001f466", "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "\U0001f3f3\ufe0f\u200d"
    "\U0001f308", "\U0001f1e9\U0001f1ea", "\U0001f469\U0001f3fb\u200d\U0001f680 astronaut",
    "1\ufe0f\u20e3", "\u00a9 \u00ae \u2122", "\u2600\ufe0f sunny", "\U0001f3f4\U000e0067\U000e0062"
    "\U000e0065\U000e006e\U000e0067\U000e007f", "\u2660\u2665\u2666\u2663", "\u2192\u2190\u2191\u2193",
    "\u00af\\_(\u30c4)_/\u00af", "\u0ca0_\u0ca0", "(\u256f\u00b0\u25a1\u00b0)\u256f\ufe35 \u253b\u2501\u253b",
]
SCRIPTS = [
    "\u732b\u306e\u5199\u771f", "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8", "\u4e00\u53ea\u732b\u5728\u8349\u5730\u4e0a", "\uace0\uc591\uc774 \uc0ac\uc9c4",
    "\u1100\u1161\u11a8", "\u041c\u043e\u0441\u043a\u0432\u0430 \u043d\u043e\u0447\u044c\u044e", "\u041a\u041e\u0422 \u043d\u0430 \u041a\u0420\u042b\u0428\u0415", "\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac",
    "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03a3 \u0391\u03a3\u0392 \u0391\u03a3.", "\u0391\u03a3'\u0392 \u0391\u03a3\u00ad \u03a3\u0391", "\u1f00\u03c1\u03c7\u03ae \u1f08\u03a1\u03a7\u0389",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u202bRTL\u202c \u200fmark\u200e",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u092a\u093e\u0920", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "\u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8", "\u13e3\u13b3\u13a9",
    "Ti\u1ebfng Vi\u1ec7t", "\ufb2a\ufb1d", "\u0958", "\U00010400\U00010428", "\u212b\u2126\u212a", "\u1e9e STRASSE stra\u00dfe",
    "\u0130stanbul \u0131\u015f\u0131k I\u0307", "\u01c5 \u01c4 \u01c6 \u0149 \u0132\u0133", "\u0345 a\u0345b \u1fb3", "\u00aa\u00ba", "\u2c6f\ua7ad",
]
ACCENTS = [
    "caf\u00e9", "cafe\u0301", "na\u00efve r\u00e9sum\u00e9", "A\u030angstro\u0308m", "\u00c5ngstr\u00f6m", "\u00dcBER \u00c4RGER",
    "se\u00f1or a\u00f1o", "Za\u017c\u00f3\u0142\u0107 g\u0119\u015bl\u0105 ja\u017a\u0144", "p\u0159\u00edli\u0161 \u017elu\u0165ou\u010dk\u00fd k\u016f\u0148", "\u00e7a va", "\u0152uvre c\u0153ur",
    "e\u0323\u0302 e\u0302\u0323", "a\u0315\u0300\u05ae\u0062", "z\u0351\u036b\u0343a\u0363l\u0348g\u0349o", "\u1e69 s\u0323\u0307", "d\u00e9j\u00e0 vu \u00e0 la mode",
    "\u00c6ther \u00e6on \u00d8re \u00fe\u00f0", "\u00bfQu\u00e9? \u00a1Hola!", "\u00ab guillemets \u00bb", "100 \u20ac \u00a3 \u00a5", "20 \u00b0C",
]
HTML = [
    "&amp;", "&amp;amp;", "&amp;amp;amp;amp;", "&lt;b&gt;bold&lt;/b&gt;", "<b>&amp;</b>", "a<b &amp;lt; c", "&eacute;t&eacute;",
    "&EACUTE;T&EACUTE;", "BUNDESSTRA&SZLIG;E", "&ntilde; &Ntilde; &NTILDE; &nTILDE;", "&#65;&#x42;&#X43;", "&#39;s it&#39;s",
    "&#x2019;s", "&#128;&#129;&#150;&#x9f;", "&#0;&#1;&#11;&#13;&#127;", "&#xD800;&#x110000;&#xFFFF;", "&#9999999999999999999;",
    "&nbsp;x&nbsp;y&nbsp;", "&nbsp x", "&notit; &notin; &not", "&copy2023 &reg", "&hellip;&mdash;&ndash;&ldquo;x&rdquo;",
    "AT&T Q&A R&D", "this&not that", "&#59; &#59", "&#x3b;x", "&;&#;&#x;&x", "&amp", "&AMP;&amp;&Amp;", "&Jscr;ohn &HilbertSpace;",
    "&fjlig; &NotEqualTilde; &ThickSpace;", "&Tab;x&NewLine;y", "&lt;|endoftext|&gt;", "&CounterClockwiseContourIntegral;",
    "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;", "&ampamp; &ampx", "&#60;&#x26;amp;", "x&\u00e9;", "&lt;\n&amp;lt;\n<\n&amp;amp;",
    "&checkmark; &heartsuit; &starf;", "&FJLIG; &ACE;", "&zwj;&zwnj;&shy;&lrm;", "&bne;&nvlt;", "<\n&EACUTE;", "&EACUTE;\n<&EACUTE;\n&EACUTE;", "&#32;&#160;&#x3000;end",
]
MOJIBAKE = [
    "\u00c3\u00a9", "caf\u00c3\u00a9", "voil\u00c3\u00a0 le travail", "voil\u00c3 le travail", "\u00c3 la mode", "l\u00e2\u20ac\u2122humanit\u00c3\u00a9",
    "\u00e2\u20ac\u0153quoted\u00e2\u20ac\u009d", "\u00e2\u20ac\u0153 like this \u00e2\u20ac\ufffd", "\u00e2\u0153\u201d No problems", "\u00c2\u00a9 2023", "S\u00c3\u00a3o Paulo",
    "\u00f0\u0178\u02dc\u20ac", "\u00f0\u0178\u02dc\u20ac and \u00e9", "\u00d0\u009f\u00d1\u0080\u00d0\u00b8\u00d0\u00b2\u00d0\u00b5\u00d1\u201a", "\u0420\u045f\u0421\u0402\u0420\u0451\u0420\u0406\u0420\u00b5\u0421\u201a", "\u041f\u0440\u0438\u0432\u0435\u0442",
    "\u00e6\u2014\u00a5\u00e6\u0153\u00ac\u00e8\u00aa\u017e", "\u221a\u00a9t\u221a\u00a9", "\u251c\u2310t\u251c\u2310", "\u00c3\u0192\u00c2\u00a9t\u00c3\u0192\u00c2\u00a9", "\u00c3\u00a9 \u00e9 mixed \u201cx\u201d", "\u0192 \u00a6 \u00a4",
    "x\u0080y\u0092s\u0085", "\u0093quoted\u0094", "\u0081\u008d\u008f", "\u00ed\u00a0\u00bd\u00ed\u00b8\u0080", "\u00c0\u0080x\u00c3\u00a9", "\u00c3\u00a9\x1a", "\u00c3\ufffd?", "\u00c3\u00a9\u00ed\u00a0\u00bd",
    "\u00c3\u00a0s vezes \u00c3 s vezes", "\u00c2 \u00c2\u00a0 x", "\u0432\u0402\u045ctest\u0432\u0402\u045c", "\u03b2\u20ac\u2122s", "\u0101\u20ac\u0153x", "\u00e0\u00b2\u00a0_\u00e0\u00b2\u00a0", "a\u00c2\u00b2 + b\u00c2\u00b2", "\u0102\u00a9t\u0102\u00a9",
    "\u00c4\u0192\u00c5\u00a3", "\u00d9\u2026\u00d8\u00b1\u00d8\u00ad\u00d8\u00a8\u00d8\u00a7", "pas \u00c3 Paris", "\u00c3quele f\u00c3cil", "\u00c3 quela", "5 \u00c3\u2014 \u00c2\u00b2", "\u00c0 \u00c9\u2122", "IL Y MARQU\u00c9\u2026", "\u00e2\u20ac\u201d\u00e2\u20ac\u201c\u00e2\u20ac\u00a6",
]
DAMAGED = [  # a byte A0 that became a blank, and lost bytes, in sequences of every length
    "\u00e3\u0085 \u00c3\u00a9", "\u00e3\u2026 \u00c3\u00a9", "\u00e2 \u0085 \u00c3\u00a9", "\u00e2 \u00a0 \u00c3\u00a9", "\u00e2 \u0153 \u00c3\u00a9",
    "\u00e2\u20ac \u00c3\u00a9", "\u00e3\u0192 \u00c3\u00a9", "\u00e1 \u20ac\u00c3\u00a9", "\u00e1\u00bb \u00c3\u00a9", "\u00e0\u00b2 \u00c3\u00a9", "\u00e4\u00b8 \u00c3\u00a9",
    "\u00f0 \u02dc\u20ac \u00c3\u00a9", "\u00f0\u0178 \u20ac \u00c3\u00a9", "\u00f0\u0178\u02dc \u00c3\u00a9", "\u00f0  \u20ac \u00c3\u00a9", "\u00f3 \u02dc\u20ac\u00c3\u00a9",
    "\u00c2 \u00c3\u00a9", "\u00c4 \u00c3\u00a9", "\u00c5 \u00c3\u00a9", "\u00ce \u00c3\u00a9", "\u00d0 \u00c3\u00a9", "\u00d9 \u00c3\u00a9", "\u00d8 \u00c3\u00a9",
    "\u00c3 quilo \u00c3\u00a9", "\u00c3 s \u00c3\u00a9", "\u00c3 se \u00c3\u00a9", "\u00c3  x \u00c3\u00a9", "\u00c3 ",
    "\u00e2\u201a\u00ac\u00c2?", "\u00e2\u201a\u00ac\u00c3?", "\u00e2\u201a\u00ac\u00c4?\u00c3\u00a9", "\u00e2\u201a\u00ac\u00c4\ufffd\u00c3\u00a9", "\u00df\ufffd\u00c3\u00a9\u00e2\u201a\u00ac", "\u00c1\ufffd\u00c3\u00a9\u00e2\u201a\u00ac",
    "\u00e2\ufffd\u0153\u00c3\u00a9", "\u00e2?\u0153\u00c3\u00a9", "\u00e2\u20ac?\u00c3\u00a9", "\u00e2?\ufffd\u00c3\u00a9", "\u00e2??\u00c3\u00a9", "\u00ef\ufffd\ufffd\u0153\u00c3\u00a9",
    "\u00f0\ufffd\u02dc\u20ac\u00c3\u00a9", "\u00f0?\u02dc\u20ac\u00c3\u00a9", "\u00f0\u0178?\u20ac\u00c3\u00a9", "\u00f0\u0178\u02dc?\u00c3\u00a9", "\u00f0\u0178\u02dc\ufffd\u00c3\u00a9",
    "\u00f4\u0178\u02dc\ufffd\u00c3\u00a9", "\u00f5\u0178\u02dc\ufffd\u00c3\u00a9", "\u00f0??\u20ac\u00c3\u00a9", "\ufffd\u00c3\u00a9", "\u00c3\u00a9\ufffd\u20ac",
    "\u00ed\u00a0?\u00ed\u00b8\u20ac\u00c3\u00a9", "\u00ed\u00a0\u00bd\u00ed\u00b8?\u00c3\u00a9", "\u00ed\u00a0\ufffd\u00ed\u00b8\ufffd\u00c3\u00a9", "\u00ed\u00b0?\u00ed\u00b8\u20ac\u00c3\u00a9",
    "\u00ed\u00a0\u00bd\u00ed\u00b8\u0080 \u00c3\u00a9", "\u00ed\u00a0\u00bd\u00ed\u00b8\n", "\u00c3\u00a9\u00c0\n", "\u00c3\u00a9\u00c0\nx", "\u00c3\u00a9\u00ed\u0095\u009c", "\u00ed\u00b8\u0080\u00c3\u00a9",
]
CURLY = ["\u201chere\u2019s a test\u201d", "\u2018single\u2019 \u201alow\u2019 \u201bx", "\u201edeutsch\u201c \u201f", "\u02bcn \u02bb", "\u2032 \u2033", "`back` \u00b4tick\u00b4"]
WIDTH = ["\uff2c\uff2f\uff35\uff24\u3000\uff2e\uff2f\uff29\uff33\uff25\uff33", "\uff35\uff80\uff70\uff9d", "\uff76\uff9e\uff77\uff9f", "\uffa1\uffc2 \uffa0", "\uff01\uff1f\uff03", "\uff11\uff12\uff13", "\uffe0\uffe1\uffe3\uffe5\uffe6", "\uff07s \uff06amp;", "\uff1c\uff5cendoftext\uff5c\uff1e"]
LIGATURES = ["\ufb01sh \ufb02uffy o\ufb03ce \ufb04", "\ufb05op \ufb06op", "\ufb00", "\u0132ssel \u0133s", "\u01c7ubav \u01ca", "\ufb13\ufb14"]
CONTROLS = ["a\x00b".replace("\0", ""), "a\x01b\x02c", "bell\x07 tab\tx", "\x1b[36;44mblue\x1b[0m", "\x1b[1;\u0663mx", "\x1b[1;2", "\x1b[", "\x1b", "\ufeffbom",
            "a\u200bb\u200cc\u200dd", "soft\u00adhyphen", "\u2066iso\u2069 \u206ax", "\ufff9a\ufffab\ufffb\ufffc", "\x7f", "\x1c\x1d\x1e\x1f x", "\x1b\x01[31mred", "\ufffe\uffff", "\ue000\uf8ff", "\U000e0001"]
SPACES = [" ", "    ", "\t\n\r\f\v", "\u00a0\u2003\u3000", " leading", "trailing ", "a\nb\r\nc\rd", "a\u2028b\u2029c\u0085d", "a \t\n b", "\u1680x\u180ey\u205fz\u202f", "\n\n", "a\x0bb\x0cc"]
LONG = [
    "word " * 76, "cat, " * 40, "a " * 75, "a " * 74, "a " * 77, "x" * 500, "\U0001f600" * 60, "\u732b" * 100, "abcdefghijklmnopqrstuvwxyz" * 20,
    " ".join(str(i) for i in range(100)), "an extremely detailed matte painting of " * 12, "\u00c3\u00a9" * 100, "&amp;" * 100, "!" * 300, "aA" * 200,
]
BYTES = [
    b"\xff", b"\xc3", b"\xc3(", b"a\xe2\x82", b"\xe2\x28\xa1", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xf8\x88\x80\x80\x80", b"caf\xe9",
    b"\x80\x81\x82", b"ok \xf0\x9f\x98 x", b"\xf0\x9f\x98\x80\x80", b"\xe0\x80\xaf", b"\xef\xbf\xbd", b"\xfe\xff", b"\xf0\x82\x82\xac", b"\xed\xa0\xbd\xed\xb8\x80",
]


def garble(text, rng):
    """text in UTF-8, read with another codec once or twice, and damaged further at times."""
    for _ in range(rng.choice([1, 1, 1, 2])):
        try:
            text = text.encode().decode(rng.choice(chardata.CHARMAP_ENCODINGS))
        except UnicodeError:
            break
        if rng.random() < 0.3:
            text = text.replace("\u00a0", " ")
        if rng.random() < 0.2:
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(["\ufffd", "?", ""]) + text[at + 1:]
    return text


def random_prompts(rng):
    words = [w for text in SCRIPTS + ACCENTS + EMOJI + CURLY for w in text.split()]
    letters = sorted({c for e in chardata.CHARMAP_ENCODINGS for c in bytes(range(128, 256)).decode(e)})
    plain = "a photo of the cat's 1st painting, very detailed; don't".split()
    names = sorted(html.entities.html5)
    for _ in range(90):
        yield " ".join(garble(rng.choice(words), rng) for _ in range(rng.randint(1, 4)))
    for _ in range(50):
        yield "".join(rng.choice(letters + list(" aZ?.")) for _ in range(rng.randint(1, 10)))
    for _ in range(40):
        yield " ".join("&" + rng.choice(names)[:rng.randint(3, 12)] for _ in range(3))
    for _ in range(60):
        yield " ".join(rng.choice(words + plain) for _ in range(rng.randint(3, 30)))


def main():
    tokenizer = clip_reference.SimpleTokenizer()
    prompts = []
    for group in (PLAIN, CONTRACTIONS, DIGITS, EMOJI, SCRIPTS, ACCENTS, HTML, MOJIBAKE, DAMAGED,
                  CURLY, WIDTH, LIGATURES, CONTROLS, SPACES, LONG):
        prompts += [text.encode() for text in group]
    prompts += BYTES
    prompts += [text.encode() for text in random_prompts(random.Random(20220822))]
    kept = []
    for prompt in dict.fromkeys(prompts):
        cleaned = tokenizer.clean_fn(prompt.decode("utf-8", errors="replace"))
        if not any(unicodedata.category(c) == "Cn" and ord(c) & 0xFFFE != 0xFFFE
                   for c in cleaned):
            kept.append(prompt)
    path = os.path.join(HERE, "..", "golden", "tokenizer.txt")
    with open(path, "w", encoding="ascii") as out:
        for prompt in kept:
            ids = " ".join(map(str, tokenizer.encode_bytes(prompt)))
            out.write("%s\t%s\n" % (prompt.hex(), ids))
    print(len(kept), "prompts")


if __name__ == "__main__":
    main()
