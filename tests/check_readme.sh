#!/bin/sh
# SPDX-License-Identifier: MIT
#
# README.md's calls of build/sdgen that need nothing but the small model, one after the other as they stand
# there, in a folder of their own.
set -u
. "${srcdir-.}/tests/support.sh"

build=$(pwd)
tree=$(cd "${srcdir-.}" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
ln -s "$build" build
ln -s "$tree/demo-model" demo-model
ln -s "$tree/tests" tests
# sdgen finds it beside its own folder; a build that lies elsewhere is told.
[ -d "$build/../demo-model" ] || export SDRT_MODEL="$tree/demo-model"

if [ -n "${SDRT_EMULATED-}" ]; then
    skip 'the README: the small model takes minutes, emulated'
    finish
    exit
fi

# The others name files that everyone has to bring, or end in a pipe.
grep '^    build/sdgen ' "$tree/README.md" | sed 's/^    //; s/ *#.*//' |
    grep -v -e 'MODEL' -e ' [^ /]*\.safetensors' -e ' [^ /]*\.pth' -e ' | ' -e '\\$' > calls
for form in WEBP JPEG; do
    grep -q "HAVE_$form 1" "$build/config.h" && continue
    case $form in WEBP) name='[.]webp' ;; *) name='[.]jpg' ;; esac
    grep -v -e "$name" calls > fewer
    mv fewer calls
done
shows=
while IFS= read -r call; do
    case $call in
        *--mask*) shows="$shows inpaint" ;;
        *--extend*) shows="$shows outpaint" ;;
        *--vae-bands*) shows="$shows bands" ;;
        *--init*) shows="$shows img2img" ;;
        *--hires*) shows="$shows hires" ;;
        *--fast*) shows="$shows fast" ;;
        *--upscale*) shows="$shows upscale" ;;
        *--clip-skip*--sampler* | *--sampler*--clip-skip*) shows="$shows sampler" ;;
        *--guidance*) shows="$shows guidance" ;;
        *--freeu*) shows="$shows freeu" ;;
        *--dynamic-prompts*) shows="$shows dynamic" ;;
        *:1.2*) shows="$shows weights" ;;
        *--from-image*) shows="$shows again" ;;
        *--taesd*) shows="$shows taesd" ;;
        *--lora*) shows="$shows lora" ;;
        *--control*) shows="$shows control" ;;
        *--ip-adapter*) shows="$shows ip-adapter" ;;
    esac
    before=$(find . -type f | wc -l)
    ok=false
    eval "$call --quiet" > out 2> err < /dev/null && [ ! -s err ] &&
        [ "$(find . -type f | wc -l)" -gt "$before" ] && ok=true
    report $ok "$call" "$(cat err)"
done < calls
for feature in img2img inpaint outpaint bands hires fast upscale sampler guidance freeu dynamic \
    weights again taesd lora control ip-adapter; do
    ok=false
    case " $shows " in *" $feature "*) ok=true ;; esac
    report $ok "an example of $feature" "shown:$shows"
done
finish
