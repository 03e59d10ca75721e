#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds the fuzzers as targets of libFuzzer, as OSS-Fuzz asks for it: with CC, CFLAGS,
# LIB_FUZZING_ENGINE and OUT from outside, each target with its dictionary and its first inputs beside
# it (fuzz_json_seed_corpus, and with zip that as OSS-Fuzz has it).  In a configured build folder, whose config.h says which libraries are there:
#
#     OUT=/some/folder sh ../tests/fuzz/build.sh
#     /some/folder/fuzz_json -dict=/some/folder/fuzz_json.dict -max_total_time=3600 corpus
set -eu

: "${CC:=clang}" "${OUT:=fuzzers}" "${LIB_FUZZING_ENGINE:=-fsanitize=fuzzer}"
: "${CFLAGS:=-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined}"
top=$(cd "$(dirname "$0")/../.." && pwd)
[ -f config.h ] || { echo "$0: expected to run in a configured build folder" >&2; exit 1; }
mkdir -p "$OUT/objects"
value() { make -s --eval="value-of-it: ; @echo \$($1)" value-of-it; }
flags="-std=gnu11 -DHAVE_CONFIG_H -D_GNU_SOURCE -DSDRT_LIBFUZZER -I. -I$top $(value DEPS_CFLAGS)"

# What parsers are made of, and no network.
sources='runtime/base/*.c runtime/files/*.c runtime/random/*_linux.c kernels/*.c kernels/generic/*.c model/text/*.c
    model/lora/file.c model/lora/config.c model/lora/pattern.c model/lora/tags.c model/lora/folder.c
    model/lora/strength.c model/checkpoint/folder_weights.c runtime/weights/weight_files.c
    runtime/weights/weights.c runtime/weights/storage.c runtime/weights/storage_read.c
    tools/prompt_file.c tools/fetch_reply.c bench/shape_text.c bench/elementwise.c'
for source in $(cd "$top" && ls $sources); do
    case $source in *_macos.c) continue ;; esac
    object=$OUT/objects/$(echo "$source" | tr / _).o
    [ -n "$(find "$object" -newer "$top/$source" 2> /dev/null)" ] ||
        $CC $CFLAGS $flags -c "$top/$source" -o "$object"
done
make -s model/text/clip_merges.c
$CC $CFLAGS $flags -c model/text/clip_merges.c -o "$OUT/objects/model_text_clip_merges.c.o"
rm -f "$OUT/objects/parsers.a"
ar rc "$OUT/objects/parsers.a" "$OUT"/objects/*.c.o

# target NAME SOURCE FLAGS...
target() {
    name=$1 source=$2
    shift 2
    $CC $CFLAGS $flags "$@" -c "$top/tests/$source.c" -o "$OUT/objects/$name.o"
    ${CXX:-$CC} $CFLAGS $LIB_FUZZING_ENGINE "$OUT/objects/$name.o" "$OUT/objects/parsers.a" \
        $(value DEPS_LIBS) -lm -lpthread -o "$OUT/$name"
    cp "$top/tests/fuzz/parsers.dict" "$OUT/$name.dict"
}
for name in json safetensors gguf pickle lora tokenizer t5_tokenizer prompts; do
    target fuzz_$name fuzz_$name
done
for kind in picture vocab index prompts reply tags npy hashes shape; do
    target fuzz_text_$kind fuzz_texts "-DSDRT_FUZZ_KIND=\"$kind\""
done
sh "$top/tests/fuzz/corpus.sh" "$OUT"
