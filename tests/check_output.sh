#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Where ./sdgen's images go, what is in them, and pictures that it is given: on a tiny model.
set -u
. "${srcdir-.}/tests/support.sh"

build=$(pwd)
golden=$(cd "${srcdir-.}" && pwd)/tests/golden
tiny=$golden/tiny-sd15
work=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$work"; rm -rf "$work" "$work.sdgen"' EXIT
cd "$work" || exit 1
sdgen=$(any_level "$build/sdgen" "$work.sdgen")

steps=1
draw() {
    "$sdgen" -m "$tiny" -p 'a cat, "red"' -W 64 -H 64 --steps $steps --seed 5 --quiet "$@" \
        < /dev/null 2> "$work.err"
}
bare() { "$sdgen" "$@" < /dev/null 2> "$work.err"; }
way=draw

# made NAME FILES ARGUMENTS...: these files are there afterwards, and no others; each is taken away.
made() {
    name=$1 expected=$2
    shift 2
    ok=true
    draw "$@" || ok=false
    got=$(find . -type f | sed 's!^\./!!' | sort | tr '\n' ' ')
    [ "$got" = "$expected " ] || ok=false
    report $ok "$name" "made $got: $(cat "$work.err")"
}

# fails NAME STATUS PATTERN ARGUMENTS...: one line, and no file that was not there.
fails() {
    name=$1 expected=$2 pattern=$3
    shift 3
    before=$(find . | sort)
    $way "$@"
    status=$?
    ok=true
    [ "$status" -eq "$expected" ] && [ "$(wc -l < "$work.err")" -eq 1 ] || ok=false
    grep -q -e "$pattern" "$work.err" || ok=false
    [ "$before" = "$(find . | sort)" ] || ok=false
    report $ok "$name" "status $status: $(cat "$work.err")"
}

# is FILE BYTES: it begins so, in hexadecimal.
is() {
    ok=true
    [ "$(od -An -tx1 -N4 "$1" | tr -d ' ')" = "$2" ] || ok=false
    report $ok "$1 is what its name says" "$(od -An -tx1 -N4 "$1")"
}
png=89504e47 jpeg=ffd8ffe0 webp=52494646
has() { grep -q "HAVE_$1 1" "$build/config.h"; }

# Numbers, and nothing replaced.
made 'the first number' 'sdrt-0001.png'
made 'the next number' 'sdrt-0001.png sdrt-0002.png'
: > sdrt-0041.png
made 'one above the highest' 'sdrt-0001.png sdrt-0002.png sdrt-0041.png sdrt-0042.png'
rm -f ./*
made 'a batch of two, twice' 'sdrt-0001.png sdrt-0002.png sdrt-0003.png sdrt-0004.png' \
    --batch 2 --batch-count 2
rm -f ./*
mkdir out
made 'a folder' 'out/sdrt-0001.png' -o out
made 'a folder with a slash' 'out/sdrt-0001.png out/sdrt-0002.png' -o out/
rm -rf out
made 'a name' 'x.png' -o x.png
fails 'a name that is there' 1 'x.png: is there already.*--force' -o x.png
made 'force' 'x.png' -o x.png --force
fails 'a sheet of an image'\''s name' 2 'y-1.png: expected another name' -o y.png --batch 2 --grid y-1.png
rm -f ./*
made 'a batch with a name' 'x-0.png x-1.png' -o x.png --batch 2
fails 'a name of a batch that is there' 1 'x-0.png: is there' -o x.png --batch 2
rm -f ./*
made 'batches one after the other' 'x-0.png x-1.png x-2.png' -o x.png --batch-count 3
rm -f ./*

# Patterns.
made 'a pattern' 'a-5-64x64-1.png a-6-64x64-1.png' -o 'a-[seed]-[width]x[height]-%d.png' --batch 2
made 'the next of a pattern' 'a-5-64x64-1.png a-5-64x64-2.png a-6-64x64-1.png' \
    -o 'a-[seed]-[width]x[height]-%d.png'
rm -f ./*
fails 'an unknown word' 2 '\[cat\]: expected seed' -o '[cat].png'
fails 'a name without an ending' 2 'x: expected a name that ends in .png' -o x
fails 'another ending' 2 'x.gif: expected a name' -o x.gif
fails 'a name that is too long' 1 'too long' -o "$(printf '%0300d' 1).png"
fails 'a folder that is not there' 1 'none/' -o none/x.png
fails 'two on standard output' 2 'expected one image' -o - --batch 2
fails 'image and JSON on standard output' 2 'both write' -o - --json

# Formats.
draw -o - > x.png
is x.png $png
rm -f x.png
ok=true
draw -o - > /dev/null && [ -z "$(ls)" ] || ok=false
report $ok 'no file called -' "$(ls)"
draw -o x.png
if has JPEG; then
    draw -o x.jpg && is x.jpg $jpeg
    draw -o y.JPEG && is y.JPEG $jpeg
else
    fails 'JPEG without its library' 1 'cannot write .jpg' -o x.jpg
fi
if has WEBP; then
    draw -o x.webp --quality 100 && is x.webp $webp
else
    fails 'WebP without its library' 1 'cannot write .webp' -o x.webp
fi

# What is in an image repeats it.
ok=true
strings x.png | grep -q 'Steps: 1, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.5, Seed: 5' ||
    ok=false
report $ok 'parameters as A1111 writes them' "$(strings x.png | grep Steps)"
for file in x.png x.jpg x.webp; do
    [ -f $file ] || continue
    ok=true
    "$sdgen" -m "$tiny" --from-image $file --quiet -o again.png 2> err && cmp -s again.png x.png || ok=false
    report $ok "$file repeated" "$(cat err)"
    rm -f again.png
done
ok=true
"$sdgen" -m "$tiny" --from-image x.png --seed 6 --quiet -o other.png 2> err && ! cmp -s other.png x.png &&
    strings other.png | grep -q 'Seed: 6' || ok=false
report $ok 'an option above what is repeated' "$(cat err)"
ok=true
"$sdgen" -m "$tiny" -p cat -W 64 -H 64 --steps 8 --seed 5 --cache deepcache:every=2 --cfg-range 0:0.6 --quiet \
    -o cached.png 2> err && "$sdgen" -m "$tiny" --from-image cached.png --quiet -o again.png 2>> err &&
    cmp -s again.png cached.png && [ ! -s err ] && strings cached.png | grep -q 'Cache: "deepcache:every=2' ||
    ok=false
report $ok 'a cache and a range of guidance repeated' "$(cat err)"
rm -f again.png
ok=true
"$sdgen" -m "$tiny" -p cat -W 64 -H 64 --steps 8 --seed 5 --guidance apg:eta=0.5 --cfg-schedule 7,3 --pag-scale 2 \
    --pag-adaptive-scale 0.001 --pag-layers mid --freeu 1.2,1.1,0.9,0.2 --quiet -o guided.png 2> err &&
    "$sdgen" -m "$tiny" --from-image guided.png --quiet -o again.png 2>> err && cmp -s again.png guided.png &&
    [ ! -s err ] && strings guided.png | grep -q 'PAG scale: 2, PAG adaptive scale: 0.001, PAG layers: mid' ||
    ok=false
report $ok 'other guidance repeated' "$(cat err)"
rm -f again.png
ok=true
lora=$golden/lora/boft-bound.safetensors
hashed() { XDG_CACHE_HOME=$PWD/cache "$sdgen" -m "$tiny" -p cat -W 64 -H 64 --steps 1 --seed 5 --quiet "$@" 2> err; }
hashed --lora "$lora" --lora-lenient -o none.png && ! strings none.png | grep -q 'Lora hashes' &&
    hashed --lora "$lora" --lora-lenient --hash -o known.png &&
    hashed --lora "$lora" --lora-lenient -o again.png && cmp -s known.png again.png &&
    strings known.png | grep -Eq 'Lora hashes: "?[^"]*: [0-9a-f]{12}' && [ -s cache/sdrt/hashes ] || ok=false
report $ok 'hashes are computed once' "$(cat err)"
rm -rf cache again.png
ok=true
"$sdgen" -m "$tiny" -p cat -n dog --cfg-scale 1 -W 64 -H 64 --steps 1 --seed 5 --quiet -o none.png --force 2> err &&
    grep -q 'the negative prompt is not read' err && [ "$(wc -l < err)" -eq 1 ] &&
    "$sdgen" -m "$tiny" -p cat -n dog --cfg-scale 2 -W 64 -H 64 --steps 1 --seed 5 --quiet -o none.png --force 2> err &&
    [ ! -s err ] || ok=false
report $ok 'a negative prompt without guidance is told' "$(cat err)"
fails 'repeating what has no parameters' 1 'has no parameters' --from-image "$golden/pictures/init.png"
rm -f ./*

# A sheet of three.
draw --batch 3 --grid sheet.png -o x.png
ok=true
[ "$(od -An -tu1 -j16 -N8 sheet.png | tr -s ' ')" = ' 0 0 0 128 0 0 0 128' ] || ok=false
report $ok 'three images on a sheet of two by two' "$(od -An -tu1 -j16 -N8 sheet.png)"
rm -f ./*

# Pictures to begin with.
init=$golden/pictures/init.png mask=$golden/pictures/mask.png
two() { "$sdgen" -m "$tiny" -p cat --steps 2 --seed 5 --quiet "$@" 2> "$work.err"; }
ok=true
two --init "$init" -o a.png && two --init "$init" --strength 0.75 -o b.png && cmp -s a.png b.png &&
    [ "$(od -An -tu1 -j16 -N8 a.png | tr -s ' ')" = ' 0 0 0 80 0 0 0 64' ] || ok=false
report $ok 'a picture gives its size' "$(cat "$work.err")"
ok=true
two --init "$init" --mask "$mask" --strength 1 -o c.png && two --init a.png --mask "$mask" --invert-mask \
    --extend left=16,bottom=8 --mask-blur 1 --masked-content noise -o d.png || ok=false
report $ok 'masks and extensions' "$(cat "$work.err")"
if has JPEG && has WEBP; then
    ok=true
    two --init "$init" --strength 0.5 -o e.jpg && two --init e.jpg -o f.webp && two --init f.webp -o g.png ||
        ok=false
    report $ok 'pictures in each format' "$(cat "$work.err")"
fi
rm -f ./*
printf 'this is no picture' > text.png
fails 'a text as a picture' 1 'text.png: expected a picture' --init text.png
fails 'a picture that is not there' 1 'none.png' --init none.png
fails 'a model as a picture' 1 'expected a picture' --init "$tiny/unet/diffusion_pytorch_model.safetensors"
fails 'a mask of another size' 2 'the mask is 40x37: expected the picture' --init "$init" \
    --mask "$golden/pictures/resized-small.png"
fails 'a mask without a picture' 2 'mask: expected --init' --mask "$mask"
fails 'a strength without a picture' 2 'strength: expected --init' --strength 0.5
fails 'a blur without a mask' 2 'mask-blur: expected --mask' --init "$init" --mask-blur 2
fails 'padding of a whole mask' 2 'expected --only-masked' --init "$init" --mask "$mask" --mask-padding 3
for strength in 0 -1 1.5 nan half ''; do
    fails "a strength of '$strength'" 2 'above 0 and up to 1' --init "$init" --strength "$strength"
done
fails 'a strength that leaves no step' 2 'leaves none' --init "$init" --strength 0.5
for sides in left 12 left= 'left=12,' up=3 left=-1 left=1e3; do
    fails "an extension of $sides" 2 'extend' --init "$init" --extend "$sides"
done
fails 'an unknown way to resize' 2 'stretch.*crop' --init "$init" --resize-mode stretch
fails 'an unknown content' 2 'cats.*nothing' --init "$init" --mask "$mask" --masked-content cats

# Pictures that are enlarged, drawn before or there already.
rrdb=$golden/nets/rrdb-x2.pth
size_is() { [ "$(od -An -tu1 -j16 -N8 "$1" | tr -s ' ')" = " $2" ]; }
ok=true
draw --upscale "$rrdb" -o a.png && size_is a.png '0 0 0 128 0 0 0 128' &&
    strings a.png | grep -q 'Seed: 5.*Postprocess upscale by: 2, Postprocess upscaler: rrdb-x2.pth' || ok=false
report $ok 'an image is drawn and enlarged' "$(cat "$work.err")"
ok=true
draw -o b.png && "$sdgen" --upscale "$rrdb" b.png -o c.png --quiet 2> "$work.err" && cmp -s a.png c.png ||
    ok=false
report $ok 'and enlarged later it is the same' "$(cat "$work.err")"
ok=true
"$sdgen" --upscale "$rrdb" --upscale-tile 96 "$init" --quiet 2> "$work.err" &&
    size_is sdrt-0001.png '0 0 0 160 0 0 0 128' || ok=false
report $ok 'a picture is enlarged under a number' "$(cat "$work.err")"
rm -f ./*
enlarge() { way=bare; fails "$@"; way=draw; }
enlarge 'nothing to enlarge' 2 'expected a picture to enlarge' --upscale "$rrdb"
enlarge 'two pictures to enlarge' 2 "'b': expected one picture" --upscale "$rrdb" a b
enlarge 'a picture to enlarge that is not there' 1 'none.png' --upscale "$rrdb" none.png
enlarge 'a picture as an upscaler' 1 'init.png' --upscale "$init" "$init"
enlarge 'another network as an upscaler' 1 'expected an upscaler' \
    --upscale "$tiny/unet/diffusion_pytorch_model.safetensors" "$init"
enlarge 'tiles of nothing' 2 'upscale-tile: expected --upscale\|--upscale-tile 128' --upscale-tile 128 -p cat
enlarge 'an enlarged picture of another ending' 2 'gif' --upscale "$rrdb" "$init" -o a.gif

# Images that are drawn twice.
steps=2
ok=true
draw --hires 1.5 --hires-upscaler "$rrdb" -o a.png && size_is a.png '0 0 0 96 0 0 0 96' &&
    "$sdgen" -m "$tiny" --from-image a.png --quiet -o b.png 2> "$work.err" && cmp -s a.png b.png || ok=false
report $ok 'an image is drawn twice, and repeated' "$(cat "$work.err")"
rm -f ./*
fails 'a strength of no second drawing' 2 'hires-strength: expected --hires' --hires-strength 0.5
fails 'an enlargement of nothing' 2 'above 1 and up to 8' --hires 1
fails 'a second drawing of a picture' 2 'hires, --init' --hires 2 --init "$init"
fails 'a second drawing by nothing' 1 'nothing.pth' --hires 2 --hires-upscaler nothing.pth

# Noise that is raised between steps, a resized seed and levels one by one are repeated.
ok=true
draw -W 64 -H 64 --steps 2 --sampler euler --s-churn 1 --s-tmax 9 --s-noise 1.1 --seed-resize-from 80x72 -o a.png &&
    grep -a -q 'Sigma churn: 1, Sigma tmax: 9, Sigma noise: 1.1, Seed resize from: 80x72' a.png &&
    "$sdgen" -m "$tiny" --from-image a.png --quiet -o b.png 2> "$work.err" && cmp -s a.png b.png || ok=false
report $ok 'churn and a resized seed are repeated' "$(cat "$work.err")"
draw -W 64 -H 64 --timesteps 801,401 -o c.png && grep -a -q 'Timesteps: "801,401"' c.png &&
    "$sdgen" -m "$tiny" --from-image c.png --quiet -o d.png 2> "$work.err" && cmp -s c.png d.png || ok=false
report $ok 'timesteps are repeated' "$(cat "$work.err")"
fails 'churn of another sampler' 1 'euler_a: has no s_churn, expected euler, heun or dpm2' --s-churn 1
rm -f ./*

# A decoder in bands.
ok=true
draw -W 64 -H 72 --vae-bands 16 -o a.png && size_is a.png '0 0 0 64 0 0 0 72' || ok=false
report $ok 'an image is decoded in bands' "$(cat "$work.err")"
draw -W 64 -H 72 --vae-bands 16 --init a.png --mask a.png --strength 1 -o b.png &&
    size_is b.png '0 0 0 64 0 0 0 72' || ok=false
report $ok 'a picture is encoded in bands' "$(cat "$work.err")"
rm -f ./*
fails 'bands of no rows' 2 'vae-bands' --vae-bands 0
fails 'bands of odd rows' 2 'multiple of 8' --vae-bands 17
full() {
    (ulimit -f 4 && draw -W 64 -H 64 --vae-bands 16 -o a.png)
    status=$?
    ok=false
    [ $status -eq 1 ] && [ "$(wc -l < "$work.err")" -eq 1 ] && [ ! -e a.png ] &&
        grep -q 'for a temporary file: .*; expected TMPDIR' "$work.err" && ok=true
    report $ok 'a file of bands that may not grow' "status $status: $(cat "$work.err")"
}
full
TMPDIR=$work/none fails 'no folder for bands' 1 'TMPDIR to be a folder' --vae-bands 16

# Bands that are taken where address space is short: one line says so, and the picture is the whole one's
# but for rounding.
large() {
    "$sdgen" -m "$tiny" -p cat -W 384 -H 384 --steps 1 --seed 5 --precision f32 --dump "$1" \
        --dump-filter image -o "$1.png" < /dev/null 2> "$work.err"
}
# most_off A B: the greatest difference of two pictures, of the greatest value.
most_off() {
    for name in "$1" "$2"; do od -An -v -tf4 -w4 -j128 "$name/image.npy" > "$name.txt"; done
    paste "$1.txt" "$2.txt" | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > most) most = d
        v = $1 < 0 ? -$1 : $1; if (v > top) top = v } END { print NR, most / top }'
}
memory() { sed -n "s/.*needs \([0-9]*\) MiB.* \([0-9]*\) MiB available/\\$1/p" "$work.err"; }
if [ -n "${SDRT_EMULATED-}" ]; then
    skip 'bands where memory is short: it would be the emulator that lacks it'
elif ! (ulimit -v 600000 && exec "$sdgen" --version) > /dev/null 2>&1; then
    skip 'bands where memory is short: sanitizers need terabytes'
else
    (ulimit -v 4000000 && large whole)
    need=$(memory 1) left=$(memory 2)
    report "$([ -n "$need" ] && echo true || echo false)" 'memory for all at once' "$(cat "$work.err")"
    for short in 10 50; do
        (ulimit -v $((4000000 - (left - need + short) * 1024)) && large bands)
        status=$?
        ok=false
        case $(most_off whole bands) in '442368 0' | '442368 '?.*e-0[678]) ok=true ;; esac
        [ "$status" -eq 0 ] && [ "$(grep -c 'warning:' "$work.err")" -eq 1 ] &&
            grep -q 'memory is short: the VAE runs in bands of' "$work.err" || ok=false
        report $ok "bands where $short MiB are missing" \
            "status $status, $(most_off whole bands): $(cat "$work.err")"
        rm -rf bands*
    done
    rm -rf whole*
fi

rm -f "$work.err"
finish
