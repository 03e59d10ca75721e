#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Makes the first inputs of the fuzzers from what tests keep, in folders beside the targets:
#     corpus.sh OUT
set -eu
out=$1
golden=$(cd "$(dirname "$0")/.." && pwd)/golden

# corpus TARGET FILE...: files of up to 64 KiB.
corpus() {
    to=$out/$1_seed_corpus
    shift
    mkdir -p "$to"
    for file; do
        [ "$(wc -c < "$file")" -gt 65536 ] || cp "$file" "$to/$(echo "${file#"$golden"/}" | tr / _)"
    done
}
# text TARGET NAME TEXT: in printf's writing.
text() {
    mkdir -p "$out/$1_seed_corpus"
    printf "$3" > "$out/$1_seed_corpus/$2"
}
corpus fuzz_json "$golden"/*/*/config.json "$golden"/*/scheduler/*.json
corpus fuzz_safetensors "$golden"/lora/*.safetensors "$golden"/pickle/*.safetensors
corpus fuzz_lora "$golden"/lora/*.safetensors "$golden"/lora/*.pt "$golden"/lora/*.gguf
corpus fuzz_gguf "$golden"/gguf/*.gguf "$golden"/lora/*.gguf
corpus fuzz_pickle "$golden"/pickle/*.pt "$golden"/pickle/*.ckpt "$golden"/pickle/*.bin "$golden"/prompts/*/*.pt
corpus fuzz_text_picture "$golden"/pictures/map-*.png "$golden"/fuzz-seeds/*.png "$golden"/fuzz-seeds/*.jpg "$golden"/fuzz-seeds/*.webp
corpus fuzz_text_npy "$golden"/fuzz-seeds/*.npy
for target in fuzz_prompts fuzz_tokenizer; do
    text $target weights 'a (cat:1.3) in [a|b] ((hat)), [red:blue:0.5] BREAK \\(text\\) AND a dog:0.7'
    text $target choices 'a {red|green|{2$$x|y|z}} {1-3$$ and $$a|b|c} {0.5::a|2::b}'
done
text fuzz_t5_tokenizer json '{"model":{"type":"Unigram","unk_id":2,"vocab":[["<pad>",0],["</s>",0],["<unk>",0],["a",-1.5]]},"added_tokens":[{"id":1,"content":"</s>"}],"normalizer":{"type":"Sequence","normalizers":[{"type":"Precompiled","precompiled_charsmap":"CAAAAAAEAAAAAAAAeQA="},{"type":"Strip"}]}}'
# Five pieces, their ids, and the same map of characters.
text fuzz_t5_tokenizer spiece '\012\011\012\005<pad>\030\003\012\010\012\004</s>\030\003\012\011\012\005<unk>\030\002\012\013\012\004\342\226\201a\025\000\000\300\277\012\010\012\001b\025\000\000\300\277\022\013\030\001\300\002\002\320\002\001\330\002\000\032\020\022\016\010\000\000\000\000\004\000\000\000\000\000\000y\000'
text fuzz_text_vocab small '{"<|startoftext|>":0,"<|endoftext|>":1,"l":2,"o":3,"w</w>":4,"lo":5}\0#version\nl o\n'
text fuzz_text_index shards '{"weight_map":{"a":"name.safetensors","b":"name.safetensors"}}'
text fuzz_text_prompts lines '# a comment\na cat\r\n\r\na dog\r'
text fuzz_text_reply redirect 'HTTP/1.1 302 Found\r\nETag: "abc"\r\nX-Linked-Etag: "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"\r\nContent-Length: 2\r\nRetry-After: 2\r\nContent-Range: bytes 1-2/3\r\nX-Linked-Size: 7\r\nX-Error-Code: GatedRepo\r\n'
text fuzz_text_tags tags 'a <lora:name:0.8:te=1:unet=0.5:lbw=OUTALL> <lora:name:1:0.5:1,0,0,0,0.5,1,1,1,1,0,-1,2> <lyco:name> cat'
text fuzz_text_hashes line 'w 1 1700000000.000000000 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 @\n'
text fuzz_text_shape conv 'conv 2x64x64 320+320>640 k3 s1 silu'
text fuzz_text_shape gemm 'gemm 8192 320>1280 gated gelu'
text fuzz_text_shape attention 'attention 2x8x40 4096x77 q320 kv640 causal'
text fuzz_text_shape norm 'gn_sums 2x4096 320+320 g32 eps1e-05'
if command -v zip > /dev/null; then
    for folder in "$out"/*_seed_corpus; do zip -qjr "$folder.zip" "$folder"; done
fi
