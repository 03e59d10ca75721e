#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/tokenizer.txt, prompts and the ids that transformers' CLIPTokenizer gives
them, and tests/golden/characters.txt, what it takes each code point for.

    python3 tests/oracle/make_tokenizer_golden.py

Needs transformers 5.24.0 with tokenizers 0.23.3 and no model: vocab.json and merges.txt are written
from model/text/data/clip_merges.txt.  Each line of tokenizer.txt holds the prompt's bytes in
hexadecimal, a tab, and the ids without begin and end; where they differ, a second tab and the ids
of a tokenizer that pads with "!", as SDXL's second does.  Random prompts come from a fixed seed.
Bytes that are no UTF-8 count as U+FFFD, as Python's errors="replace" has it.

A line of characters.txt is a run of code points, first and last, and their class: L letter, N
number, S white space, O other, ? no character of Unicode 14; or a code point, ">", and what it is
in NFC and lower case where that differs.  Characters younger than Unicode 14 are left out of both
files, since every library knows another version of it.
"""
import html.entities
import os
import random
import sys
import tempfile
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "golden")
sys.path.insert(0, HERE)
import sd15_folder  # noqa: E402

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
SPECIAL = [  # in odd cases, beside each other, and damaged
    "<|startoftext|><|endoftext|>", "<|endoftext|><|endoftext|>", " <|startoftext|> ", "a<|endoftext|>b", "A<|EndOfText|>B",
    "<|StartOfText|>", "!<|ENDOFTEXT|>!", "<|ENDOFTEXT|>!!", "x<|ENDOFTEXT|>x", "<<|endoftext|>>", "<<|ENDOFTEXT|>>", "<|ENDOFTEXT|>'s",
    "'<|endoftext|>s", "<|endoftext|>'s", "<|endof text|>", "<|end\u00adoftext|>", "<|endoftext|>\u0338", "<|ENDOFTEXT|>\u0338", "\u0338<|endoftext|>",
    "e<|endoftext|>\u0301", "\u1100<|startoftext|>\u1161", "<|\u0130endoftext|>", "<|endoftext|", "<|endoftext||>", "|endoftext|>", "<|pad|>", "</w>", "a</w>b",
    "<|ENDOFTEXT|><|endoftext|>", "<|endoftext|>" * 80, "<|STARTOFTEXT|>9", "9<|STARTOFTEXT|>", "<|STARTOFTEXT|>?!",
]
EXCLAMATION = ["!", "!!", "a!", "!a", "a!b!! c", "Hello!", "wow!!!", "!?", "?!", "! !", "!'s", "'!s", "\u00a1Hola!", "!\u0301", "e!\u0301",
               "\uff01", "\u203c\u2049", "(a!:1.3)", "no!<|endoftext|>!", "\u01c3", "a\n!\nb", "!important; don't!"]
CASES = ["\u0130", "\u0130I\u0131i", "I\u0307", "i\u0307", "\u03a3", "\u0391\u03a3", "\u0391\u03a3 \u03a3\u0391", "\u039f\u03a3.", "\u039f\u03a3\u0301", "\u1e9e\u00df\u1e9e", "MASSE MA\u1e9eE", "\u017f\u017ft", "'\u017f '\u017ft",
         "\u212a\u212b\u2126", "\u212aelvin", "\u01c4\u01c5\u01c6 \u01c7\u01c8\u01c9 \u01f1\u01f2\u01f3", "\u0345\u0391\u0345", "\u1f88\u1f80 \u1ffc\u1ff3", "\u0390\u03b0\u1fd3", "\u13a0\uab70\u13f5\u13fd", "\u10a0\u2d00\u1c90\u10d0",
         "\U00010400\U00010428 \U000104b0 \U00010c80 \U000118a0 \U0001e900", "\u2160\u2170\u2182\u2188", "\u24b6\u24d0\U0001f130", "\u1d2c\u2c6f\u2c70\ua7ad", "\ufb05\ufb06 \ufb13", "\u0149 \u01f0 \u1e96", "\u2c64\u023a\u023e", "\U0001d400\U0001d41a", "\u00aa\u00ba\u2071"]
MARKS = ["\u0301", "a\u0301", "\u00e1", "a\u0301\u0301", "a\u0327\u0301", "a\u0301\u0327", "q\u0307\u0323", "q\u0323\u0307", "\u1e0b\u0323", "d\u0323\u0307", "\u0344", "\u0374\u037e\u0387", "\u2000\u2001x\u2002", "\u2126m", "\u0340\u0341\u0343",
         "\u0958\u0959 \u0915\u093c", "\u09dc \u09a1\u09bc", "\u0b94 \u0b92\u0bd7", "\u0dda \u0dd9\u0dca", "\u1025\u102e", "\u1b06 \u1b05\u1b35", "\uac00\u11a8", "\u1100\u1161", "\u1100\u1161\u11a7", "\ud7a3\u11a8", "\u1112\u1175\u11c2", "\ufb1d\ufb1f\ufb2c\ufb4e",
         "\u2adc \u2add\u0338", "<\u0338 >\u0338 =\u0338", "\u226e\u226f\u2260", "\uf900\uf901\ufa0e\ufa2d", "\U0002f800\U0002f81a", "\U0001d15e\U0001d1bb", "\U000110ba\U000110ab \U0001112e", "a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a",
         "\u0921\u093f\u091c\u093c\u093f\u091f\u0932", "\u0e01\u0e33 \u0e01\u0e49\u0e33", "\u0f71\u0f72\u0f74 \u0f73\u0f75", "\u05d0\u05b7\u05bc \u05d0\u05bc\u05b7", "\u064a\u0654 \u0626", "Zo\u0308e Zo\u00eb", "\u20d0x\u20dd 1\u20e3", "o\u031b\u0323 \u1ee3", "\u0915\u094d\u0937", "\u3099\u304b\u3099 \u304c", "\uff76\uff9e"]
NUMBERS = ["\u0660\u0669 \u06f0\u06f9 \u07c0 \u0966\u096f \u09e6 \u0a66 \u0be6 \u0e50 \u0f20 \u1040 \u17e0 \u1810 \uff10", "\U000104a0 \U00011066 \U0001d7ce \U0001e950 \U0001fbf0", "\u00b2\u00b3\u00b9 \u2070\u2074\u2080", "\u00bc\u00bd\u00be \u2150\u215f\u2189",
           "\u0bf0\u0bf1\u0bf2 \u0d70 \u0f2a\u0f33 \u1369 \u17f0 \u19da", "\u2460\u2468\u2474\u2488 \u24ea\u24ff \u2776 \u2780\u278a", "\u3007\u3021\u3029\u3038 \u3192 \u3220 \u3248 \u3280 \u32b1", "\u16ee\u16f0 \ua6e6 \ua830", "\U00010107 \U00010140 \U00010175 \U000102e1 \U00010320 \U00010341 \U000103d1 \U00012400",
           "\u2160V\u2169x 2\u20e3", "\u4e00\u4e8c\u4e09 \u5341 \u842c", "\U0001f100\U0001f101\U0001f10c", "a1b2c3", "1a 2b", "007", "1,000.50", "\u00bd\u00bd", "x\u00b2+y\u00b2", "\u0662\u0660\u0662\u0663 2023"]
ODD = ["\u0378\u0379", "a\u0378b", "\U00050000 \U000dffff", "x\U00040000\U00040001y", "\ufdd0\ufdef", "\U0001fffe\U0010ffff", "\ue000\uf8ff\U000f0000\U00100000", "\u2065", "\ufff0", "\u200b", "a\u200bb", "\u200e\u200f\u2060\u2064", "\u061c",
       "a\u00a0b", "a\u2028b", "a\u3000b", "a\u0085b", "a\u1680b", "a\u180eb", "a\u202fb\u205fc", "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200ax", "a\x1cb\x1db\x1eb\x1fb", "a\x0bb\x0cc", "\u00a0", "\u3000\u3000", "\ufeffa\ufeff", "\u00ad", "a\u00adb", "\u034f", "\ufe0e\ufe0f", "\U000e0020\U000e007f",
       "\ud55c\uae00 \u1112\u1161\u11ab", "\u3131\u314f \uffa1\uffc2", "\uff83\uff9e\uff7d\uff84", "\uff21\uff22\uff23\uff41 \uff11", "\u337f\u33a5 \u2100\u2122", "\u02b0\u02bc\u02bbx", "\u2019s \u02bcs 's \uff07s", "`'\"'s", "''''s", "n't", "can't've", "'re'll", "'R'E", "'VE 'LL 'D 'M 'T", "'st", "'lll", "' s"]

FIXED = (PLAIN, CONTRACTIONS, DIGITS, EMOJI, SCRIPTS, ACCENTS, HTML, MOJIBAKE, CURLY, WIDTH, LIGATURES,
         CONTROLS, SPACES, LONG, SPECIAL, EXCLAMATION, CASES, MARKS, NUMBERS, ODD)


def is_young(c):
    """Whether c may be a character of a newer Unicode than 14.  Noncharacters, planes 4 to 13 and a
    few others are none, nor likely to become one."""
    n = ord(c)
    return (unicodedata.category(c) == "Cn" and n not in (0x378, 0x379, 0x2065, 0xFFF0)
            and n & 0xFFFE != 0xFFFE and not 0xFDD0 <= n <= 0xFDEF and not 0x40000 <= n < 0xE0000)


def blocks():
    """Characters of Unicode 14, 128 code points at a time; of ideographs, Hangul and private use,
    few such blocks."""
    for base in range(0, 0x110000, 128):
        points = [chr(c) for c in range(max(base, 1), base + 128) if not 0xD800 <= c < 0xE000]
        points = [c for c in points if unicodedata.category(c) != "Cn"]
        plain = points and all(unicodedata.category(c) in ("Lo", "Co") for c in points)
        if points and (not plain or base % 0x2000 == 0):
            yield points


def random_prompts(rng):
    words = [w for text in sum(FIXED, []) for w in text.split() if len(w) < 40]
    plain = "a photo of the cat's 1st painting, very detailed; don't stop!".split()
    marks = [chr(c) for c in range(0x300, 0x1E950) if unicodedata.category(chr(c)) == "Mn"]
    bases = [c for text in ACCENTS + SCRIPTS + CASES for c in text if c.isalpha()]
    names = sorted(html.entities.html5)
    everything = [c for points in blocks() for c in points]
    for points in blocks():
        yield "".join(rng.choice(points) for _ in range(rng.randint(3, 12)))
        yield "".join(rng.choice([rng.choice(points), rng.choice(points), rng.choice("aZ1 .'!")])
                      for _ in range(rng.randint(6, 16)))
    for _ in range(150):
        yield "".join(rng.choice(everything) for _ in range(rng.randint(2, 20)))
    for _ in range(150):
        yield "".join(rng.choice(bases) + "".join(rng.choice(marks) for _ in range(rng.randint(0, 4)))
                      for _ in range(rng.randint(1, 6)))
    for _ in range(60):
        yield " ".join("&" + rng.choice(names)[:rng.randint(2, 12)] for _ in range(3))
    for _ in range(150):
        yield rng.choice(["", " "]).join(rng.choice(words + plain) for _ in range(rng.randint(2, 30)))
    for size in (10, 30, 100, 300, 1000):
        yield "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(size))
        yield "".join(rng.choice("etaoinshr") for _ in range(size))


def random_bytes(rng):
    pieces = BYTES + [b"\xf0\x9f\x98\x80", b"\xc3\xa9", b"a", b" ", b"<|endoftext|>"]
    for _ in range(80):
        yield b"".join(rng.choice(pieces)[:rng.randint(1, 4)] for _ in range(rng.randint(1, 8)))
    for _ in range(80):
        yield bytes(rng.randint(1, 255) for _ in range(rng.randint(1, 12)))


def open_tokenizers():
    """CLIP's tokenizer twice, with its own padding and with "!"."""
    with tempfile.TemporaryDirectory() as folder:
        sd15_folder.write_tokenizer(folder, sd15_folder.clip_merges(48894))
        return [CLIPTokenizer.from_pretrained(folder),
                CLIPTokenizer.from_pretrained(folder, pad_token="!")]


def token_ids(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    padded = tokenizer(text, padding="max_length", truncation=True, max_length=77)["input_ids"]
    want = [tokenizer.bos_token_id] + ids[:75] + [tokenizer.eos_token_id]
    assert padded == want + [tokenizer.pad_token_id] * (77 - len(want)), text
    return " ".join(map(str, ids))


def write_prompts(tokenizers):
    rng = random.Random(20220822)
    prompts = [text.encode() for group in FIXED for text in group] + BYTES
    prompts += [text.encode() for text in random_prompts(rng)] + list(random_bytes(rng))
    count = 0
    with open(os.path.join(GOLDEN, "tokenizer.txt"), "w", encoding="ascii") as out:
        for prompt in dict.fromkeys(prompts):
            text = prompt.decode("utf-8", errors="replace")
            if any(map(is_young, text)):
                continue
            plain, second = (token_ids(t, text) for t in tokenizers)
            columns = [prompt.hex(), plain] + ([second] if second != plain else [])
            out.write("\t".join(columns) + "\n")
            count += 1
    print(count, "prompts")


def character_class(split, c):
    """What the pre-tokenizer takes a code point for: by what it joins."""
    if unicodedata.category(c) == "Cn":
        return "?"
    if not split(c):
        return "S"
    if len(split("a" + c)) == 1:
        return "L"
    return "O" if len(split("!" + c)) == 1 else "N"


def write_characters(tokenizer):
    backend = tokenizer.backend_tokenizer
    split, normalize = backend.pre_tokenizer.pre_tokenize_str, backend.normalizer.normalize_str
    runs, changes = [], []
    for n in range(1, 0x110000):
        kind = "?" if 0xD800 <= n < 0xE000 else character_class(split, chr(n))
        if runs and runs[-1][2] == kind:
            runs[-1][1] = n
        else:
            runs.append([n, n, kind])
        if kind not in "?S" and normalize(chr(n)) != chr(n):
            changes.append((n, normalize(chr(n))))
    with open(os.path.join(GOLDEN, "characters.txt"), "w", encoding="ascii") as out:
        for first, last, kind in runs:
            out.write("%x %x %s\n" % (first, last, kind))
        for n, text in changes:
            out.write("%x > %s\n" % (n, " ".join("%x" % ord(c) for c in text)))
    print(len(runs), "runs of characters,", len(changes), "changed by NFC and lower case")


def main():
    tokenizers = open_tokenizers()
    write_prompts(tokenizers)
    write_characters(tokenizers[0])


if __name__ == "__main__":
    from transformers import CLIPTokenizer

    main()
