#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs ./sdbench with wrong calls, and with every command on the tiny model: what it writes has
# to be whole, and compare has to tell a difference from noise.
set -u
. "${srcdir-.}/tests/support.sh"

sdbench=$(pwd)/sdbench
tiny=$(cd "${srcdir-.}" && pwd)/tests/golden/tiny-sd15
size=64x64 level=
# Emulated, a try of the roof would take minutes, and so do passes in bf16: f32 and a smaller picture.
if [ -n "${SDRT_EMULATED-}" ]; then
    export SDRT_ROOF_DIVISOR=1000
    size=32x32 level='--isa neon'
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# bad NAME STATUS PATTERN ARGUMENTS...: one line on standard error that matches PATTERN.
bad() {
    name=$1 expected=$2 pattern=$3
    shift 3
    "$sdbench" "$@" > out 2> err < /dev/null
    status=$?
    ok=true
    [ "$status" -eq "$expected" ] && [ "$(wc -l < err)" -eq 1 ] && [ ! -s out ] || ok=false
    case $(cat err) in "sdbench: error: "*) ;; *) ok=false ;; esac
    grep -q -e "$pattern" err || ok=false
    report $ok "$name" "status $status (expected $expected): $(cat err)"
}

bad 'no command' 2 'no command'
bad 'unknown command' 2 'frobnicate.*roofline' frobnicate
bad 'unknown option' 2 'frobnicate' step --frobnicate
bad 'unknown letter' 2 '.-x: unknown' step -x
bad 'missing value' 2 'expected a value' step --size
bad 'value for a flag' 2 'takes no value' step --json=1
bad 'stray word' 2 'word too many' step now
bad 'stray third word' 2 'word too many' kernels conv gemm
bad 'size word' 2 'WxH' step --size big
bad 'size 512' 2 'WxH' step --size 512
bad 'size 0x0' 2 'WxH' step --size 0x0
bad 'size 9000x512' 2 '8192' step --size 9000x512
bad 'size no multiple' 2 'multiples of 8' step -m "$tiny" --size 65x64
bad 'batch 0' 2 'batch .0.: expected' step --batch 0
bad 'batch -1' 2 'batch' step --batch -1
bad 'batch 65' 2 'batch 65' step -m "$tiny" --batch 65 --size 64x64
bad 'threads x' 2 'threads .x.: expected' step --threads x
bad 'iterations 2^64' 2 'iterations' step --iterations 18446744073709551617
bad 'seconds nan' 2 'seconds' kernels --seconds nan
bad 'unknown arch' 2 'sd99.*sd15' step --arch sd99
bad 'unknown level' 2 'avx9' step -m "$tiny" --isa avx9
bad 'unknown level of the roof' 2 'avx9' roofline --isa avx9
bad 'unknown precision' 2 'f12' step -m "$tiny" --precision f12
bad 'unknown family' 2 'wavelets' kernels wavelets
bad 'unknown level of kernels' 2 'avx9' kernels --isa avx9
bad 'unknown precision of kernels' 2 'f12' kernels --precision f12
bad 'a rate of nothing that has one' 2 'plays no part in step' step --gflops 5
bad 'unknown network' 2 'resnet.*unet' layers resnet
bad 'network without a picture' 2 'svg' roofline vae
bad 'bands of a step' 2 'no part in step' step --bands 64
bad 'bands of odd rows' 2 'multiple of 8' vae --bands 17
bad 'bands of a TAESD' 2 'without --taesd' vae --bands 64 --taesd random
bad 'a random TAESD of a model' 2 'a file beside' vae -m "$tiny" --taesd random
bad 'a TAESD of random weights' 2 'random. without' vae --taesd taesd.safetensors
bad 'ranks of a text' 2 'plays no part in text' text --mpi
bad 'an unknown way of ranks' 2 'expected images' step --mpi=wings
bad 'a timeout of no ranks' 2 'expected --mpi' step --mpi-timeout 5
bad 'guidance of a VAE' 2 'decodes without it' vae --mpi=guidance
bad 'guidance of one' 2 'expected pairs' step --mpi=guidance --batch 3
bad 'ranks and one thread' 2 '--mpi, --scaling: expected one' step --mpi --scaling
bad 'ranks and bands' 2 '--mpi, --bands: expected one' vae --mpi --bands 64
bad 'ranks of sizes' 2 '--mpi, --size of a list: expected one' step --mpi --size 64x64,128x128
bad 'the error of what is no network' 2 'expected unet, vae or text' error wings
bad 'outliers of a model' 2 'expected random weights' error -m "$tiny" --outliers 20
bad 'outliers that are timed' 2 'plays no part in step' step --outliers 20
SDRT_MPI_PART=$work/none.so bad 'no part for MPI' 1 'no part to load' step --mpi
bad 'no such model' 1 'absent' step -m absent.safetensors
bad 'output of unknown form' 2 'json, .jsonl, .csv, .md or .html' roofline -o x.txt
bad 'output folder absent' 1 'none/x.json' roofline -o none/x.json
bad 'picture folder absent' 1 'none/x.svg' roofline --svg none/x.svg
bad 'compare with one file' 2 'two files' compare a.json
bad 'compare with no file' 1 'absent.json' compare absent.json absent.json
printf '{' > broken.json
bad 'compare with broken JSON' 1 'broken.json:1' compare broken.json broken.json
printf '{}' > other.json
bad 'compare with other JSON' 1 'other.json.*sdbench' compare other.json other.json

# good NAME ARGUMENTS...: succeeds, and says nothing on standard error.
good() {
    name=$1
    shift
    "$sdbench" "$@" > out 2> err < /dev/null
    status=$?
    ok=true
    [ "$status" -eq 0 ] && [ -s out ] && [ ! -s err ] || ok=false
    report $ok "$name" "status $status: $(head -3 err)"
}

# In f32 a pass is its own reference; in bf16 the tiny one is some percent off.
good 'an error in f32' error -m "$tiny" --size $size --precision f32
ok=true
grep -q '^unet, f32 .* 0\.000000 ' out || ok=false
report $ok 'f32 has no error' "$(tail -1 out)"
good 'an error in bf16' error -m "$tiny" --size $size --precision bf16
ok=true
awk '/^unet, bf16 / { n++; if ($5 < 1e-3 || $5 > 0.3) exit 1 } END { if (n != 1) exit 1 }' out || ok=false
report $ok 'bf16 has one' "$(tail -1 out)"

# columns FILE: every line of a CSV file has as many fields as the first.
columns() {
    ok=true
    sed 's/"[^"]*"/quoted/g' "$1" | awk -F, '/^#/ { next } !n { n = NF } NF != n { bad = 1 } { lines++ }
             END { exit bad || n < 2 || lines < 2 }' || ok=false
    report $ok "columns of $1" "$(grep -v '^#' "$1" | head -2)"
}

# has FILE PATTERN...: each is in the file.
has() {
    inside=$1
    shift
    for pattern; do
        ok=true
        grep -q -e "$pattern" "$inside" || ok=false
        report $ok "$inside has $pattern" "$(head -5 "$inside")"
    done
}

# valid FILE: jansson reads it, by way of compare, which tells more than two samples from none.
valid() {
    ok=true
    "$sdbench" compare "$1" "$1" > compared 2> err || ok=false
    grep -Eq 'SAME|AMBIGUOUS' compared || ok=false
    report $ok "$1 is read again" "$(cat err)"
}

# A model of machines that are not there: half of the work for each of two, and no row where there are no bands.
good 'ranks' ranks --size 128x128 --gflops 100 -o ranks.json -o ranks.csv
has ranks.json '"kind": "a model, not a measurement"' '"machines": 2' '"received_bytes": [1-9]'
ok=true
awk -F, '$1 == "ranks" && $19 == 1 { one = $20 } $1 == "ranks" && $19 == 2 { two = $20 / one }
    $1 == "ranks" && $19 == 4 && $20 == "" { none = 1 }
    END { exit !(two > 0.499 && two < 0.501 && none) }' ranks.csv || ok=false
report $ok 'ranks halve the work' "$(cat ranks.csv)"

small="-m $tiny --size $size --iterations 2 --threads 1 $level"
run='commit compiler machine date pinning other_cpus'

# shellcheck disable=SC2086 # a list of options
for command in step vae text 'layers unet' 'layers vae' 'layers text' 'generate --steps 2'; do
    file=${command%% *}${command#* }
    file=$(printf '%s' "$file" | tr -cd 'a-z')
    good "$command" $command $small -o "$file.json" -o "$file.csv" -o "$file.md"
    valid "$file.json"
    # shellcheck disable=SC2086
    has "$file.json" $run '"threads": 1'
    has "$file.csv" '^# commit: '
    has "$file.md" '^- commit: ' '^|---'
    columns "$file.csv"
done
# shellcheck disable=SC2086
for form in json csv markdown; do good "text --$form" text $small --$form; done
has stepstep.json '"ms"' '"ms_min"' '"roof_share"' '"peak_bytes"' '"lower_bound_bytes"' \
    '"mallocs_per_step": 0' '"barrier_share": 0,' '"f32_gflops"' '"conv": {"ms"' '"elementwise": {"ms"' '"resident_bytes"'

# The operations of a pass follow each other, so they take no longer than the pass, and most of it.
# Tiny passes take half a millisecond, which a busy machine can interrupt between two of them; so once
# of three times, and no nearer than half.
for file in layersunet layersvae layerstext; do
    for attempt in 1 2 3; do
        ok=true
        awk -F'[:,}]' '/^ "ms"/ { wall = $2 } /^ "sum_ms"/ { sum = $2 }
            END { exit !(wall > 0 && sum > 0.5 * wall && sum < 1.001 * wall) }' $file.json || ok=false
        if $ok || [ $attempt -eq 3 ]; then break; fi
        # shellcheck disable=SC2086
        "$sdbench" layers ${file#layers} $small -o $file.json -o $file.csv > out 2> err
    done
    report $ok "the sum of $file" "$(grep -E '^ "(ms|sum_ms)"' $file.json)"
    ok=true
    sed 's/"[^"]*"/quoted/g' $file.csv |
        awk -F, '/^#/ { if ($0 ~ /^# sum of all/) { split($0, w, " "); all = w[5] } next }
        !column { for (i = 1; i <= NF; i++) { if ($i == "ms") column = i; if ($i == "table") table = i } next }
        $table == "layers" { sum += $column }
        END { exit !(all > 0 && sum > 0.99 * all && sum < 1.01 * all) }' || ok=false
    report $ok "the table of $file adds up" "$(grep '^# sum' $file.csv)"
done

# shellcheck disable=SC2086
# shellcheck disable=SC2086
good 'a decoder in bands' vae $small --bands 16 --json
has out '"bands": 16' '"file_mib"' '"whole": {"ratio"' 'vae, bands' 'vae, whole'
# shellcheck disable=SC2086
good 'a random TAESD' vae --taesd random --size $size --iterations 1 --threads 1 $level --json
has out '"decoder": "TAESD"' '"mallocs_per_step": 0' '"whole": {"ratio"' 'vae, TAESD'
# shellcheck disable=SC2086
good 'scaling' step $small --scaling --json
has out '"scaling": {"ratio"' '"roof_ratio"' 'step, one thread'
# shellcheck disable=SC2086
good 'waits of two' step $small --threads 2 -o two.json
has two.json '"barrier_share": 0[.]' '"barrier_uneven_share": 0[.]'
awk -F'[:,}]' '/"barrier_own_share"/ { seen = 1; positive = $2 > 0 && $2 < 1 }
    END { exit !(seen && positive) }' two.json && ok=true || ok=false
report $ok 'two workers wait at barriers' "$(grep barrier two.json)"
# shellcheck disable=SC2086
good 'roofline' roofline $small -o roof.json -o roof.csv --svg roof.svg
valid roof.json
columns roof.csv
has roof.json '"f32_gflops"' '"bf16_gflops"' '"int8_gops"' '"read_gbs"' '"l1_gbs"' '"ghz"'
has roof.svg '^<svg ' '</svg>$' '<title>unet.conv_in: conv2d' '<title>.*attention' '>f32, ' \
    '>memory read, '
ok=true
[ "$(grep -c '<circle.*<title>' roof.svg)" -eq "$(grep -c '"step": ' layersunet.json)" ] || ok=false
report $ok 'every operation is a dot' "$(grep -c '<title>' roof.svg)"
if command -v xmllint > /dev/null 2>&1; then
    ok=true
    xmllint --noout roof.svg 2> err || ok=false
    report $ok 'the picture is XML' "$(head -3 err)"
else
    skip 'the picture is XML (no xmllint)'
fi

# Emulated, products of that size take minutes at each level.
shape=text_
[ -z "${SDRT_EMULATED-}" ] || shape=text_embed
good 'kernels' kernels --isa all --shape $shape --seconds 0 --threads 1 -o kernels.json -o kernels.csv
valid kernels.json
columns kernels.csv
has kernels.csv ',elementwise,' ',generic,' ',blas,'
[ -n "${SDRT_EMULATED-}" ] ||
    has kernels.csv ',kernels,attention text_77x77' ',gemm,text_154x768x768,' ',layer_norm,'
good 'kernels of a family' kernels norm --shape unet_64_1280 --seconds 0 --threads 1
has out '^gn_sums ' '^gn_fold '
# The inner loop: a compiled kernel's own, as an assembler reads it.
bad 'asm of many shapes' 2 'shapes hold it: expected one' kernels --asm text_
bad 'asm beside a form' 2 'expected no other form' kernels --asm text_77x77 --json
bad 'asm of all levels' 2 'expected one instruction set' kernels --asm text_77x77 --isa all
bad 'asm of step' 2 '.--asm plays no part in step' step --asm conv
if [ -n "${SDRT_EMULATED-}" ] || ! command -v objdump > /dev/null || ! command -v nm > /dev/null; then
    skip 'asm (emulated, or no binutils)'
else
    ok=true
    "$sdbench" kernels --asm 'gemm 64 256>256' --isa generic --seconds 0 > loop.s 2> err && [ ! -s err ] ||
        ok=false
    report $ok 'asm' "$(cat err loop.s | head -5)"
    has loop.s '^# gemm 64 256>256 at generic, one thread: ' '^# measured: ' '^# predicted: ' \
        '^# LLVM-MCA-BEGIN ' '^1:$' '[[:blank:]]j[a-z]* *1b$' '^# LLVM-MCA-END$'
fi
bad 'kernels of no shape' 2 'holds "nothing"' kernels --shape nothing

# file NAME SAMPLES: a report of one measurement.
file() {
    printf '{"command": "step", "machine": "m", "threads": 2, "passes": [{"name": "x", ' > "$1"
    printf '"samples_ms": [%s]}]}' "$2" >> "$1"
}

# verdict NAME STATUS PATTERN ARGUMENTS...
verdict() {
    name=$1 expected=$2 pattern=$3
    shift 3
    "$sdbench" compare "$@" > out 2> err
    status=$?
    ok=true
    [ "$status" -eq "$expected" ] && grep -q -e "$pattern" out || ok=false
    report $ok "$name" "status $status (expected $expected): $(tail -1 out)"
}

file a.json '100, 101, 99, 102, 98, 100.5, 99.5'
file noise.json '100.2, 98.7, 101.8, 99.2, 101.2, 99.9, 100.1'
file slow.json '110, 111, 109, 112, 108, 110.5, 109.5'
file fast.json '50, 51, 49, 52, 48, 50.5, 49.5'
file wild.json '60, 140, 90, 110, 100, 130, 75'
file few.json '50, 51'
file none.json ''
verdict 'compare: noise' 0 ' SAME' a.json noise.json --fail-above 0
verdict 'compare: wide noise' 0 ' AMBIGUOUS' a.json wild.json --fail-above 0
verdict 'compare: slower' 0 ' SLOWER' a.json slow.json
verdict 'compare: slower, below the limit' 0 ' SLOWER' a.json slow.json --fail-above 11
verdict 'compare: slower, above the limit' 3 ' SLOWER' a.json slow.json --fail-above 9
verdict 'compare: faster' 0 ' 2\.000 .*FASTER' a.json fast.json --fail-above 0
verdict 'compare: too few' 0 ' AMBIGUOUS' a.json few.json --fail-above 0
bad 'compare: nothing in common' 1 'in common' compare a.json none.json
sed 's/samples_ms/samples_rate/' a.json > rate-a.json
sed 's/samples_ms/samples_rate/' slow.json > rate-b.json
verdict 'compare: a higher rate is faster' 0 ' FASTER' rate-a.json rate-b.json
sed 's/"machine": "m"/"machine": "n"/' a.json > elsewhere.json
verdict 'compare: another machine' 0 'different machine' a.json elsewhere.json
sed 's/"threads": 2/"threads": 2, "run": {"load": {"other_cpus": 0.4, "stolen_cpus": 0}}/' a.json > loaded.json
verdict 'compare: a load' 0 'others took 0.40 processors while B' a.json loaded.json
roof() { sed "s/\"threads\": 2/\"threads\": 2, \"roof\": {\"f32_gflops\": $2}/" "$1"; }
roof a.json 100 > roof-a.json
roof slow.json 90 > roof-b.json
roof slow.json 100 > roof-c.json
verdict 'compare: the roof fell as much' 0 'no more than the machine itself' roof-a.json roof-b.json \
    --fail-above 3
verdict 'compare: the roof stayed' 3 ' SLOWER' roof-a.json roof-c.json --fail-above 3
work() { sed "s/\"threads\": 2/\"threads\": 2, \"steps\": $2, \"size\": \"$3\", \"batch\": $4/" a.json > "$1"; }
work work.json 20 512x512 1
work steps.json 5 512x512 1
work size.json 20 768x768 1
work batch.json 20 512x512 2
bad 'compare: other steps' 2 'different steps, 20 and 5' compare work.json steps.json
bad 'compare: another size' 2 'different size, 512x512 and 768x768' compare work.json size.json
bad 'compare: another batch' 2 'different batch, 1 and 2' compare work.json batch.json
verdict 'compare: other steps, anyway' 0 ' SAME' work.json steps.json --anyway
bad 'an option for nothing' 2 '.--steps plays no part in vae: expected it with one of generate' vae --steps 3
bad 'another' 2 '.--fail-above plays no part in step' step --fail-above 3
printf 'command,table,name,samples_of,samples\nstep,passes,x,ms,1 2 3\nstep,passes,y\n' > cut.csv
bad 'compare: a CSV line cut short' 1 'cut.csv:3: 3 fields: expected 5' compare cut.csv cut.csv
printf 'a,b\n1,2\n' > alien.csv
bad 'compare: another CSV' 1 'alien.csv:1: expected the columns' compare alien.csv alien.csv
verdict 'compare: CSV with JSON' 0 'SAME\|AMBIGUOUS' stepstep.csv stepstep.json
ok=true
[ "$(sed -n 's/^mean_speed//; s/.*: step \(.*\)  ms .*/\1/p' out | head -1 | tr -s ' ' | cut -d' ' -f2)" = \
    "$(sed -n 's/.*: step \(.*\)  ms .*/\1/p' out | head -1 | tr -s ' ' | cut -d' ' -f3)" ] || ok=false
report $ok 'a CSV file has the figures of the JSON file' "$(grep ' ms ' out)"
bad 'a list with a hole' 2 'threads ..: expected' step --threads 1,,2
bad 'a list with another size' 2 'expected WxH' step --size 64x64,big
bad 'a list with another precision' 2 "'f12': expected" step --precision f32,f12
bad 'a preset of nobody' 2 'expected procyon-sd15' generate --preset nobody
# The score's small sibling, whose results are compared with stored ones in the same way.
bad 'score at a size' 2 '.--size plays no part in score' score --size 64x64
if [ -n "${SDRT_EMULATED-}" ]; then skip 'score (emulated)'
else
    good 'score' score --quick -o score.json
    ok=true
    tail -1 out | grep -Eq '^sdbench-score quick-1: text_s=[0-9.]+ vae_s=[0-9.]+ isa=[a-z0-9]+ precision=[a-z0-9]+ threads=[0-9]+$' ||
        ok=false
    report $ok 'the last line is the score' "$(tail -1 out)"
    has score.json '"score": {"version": "quick-1", "line": "sdbench-score quick-1' '"error": '
fi
bad 'page of nothing' 2 'page: expected a file' page
bad 'page as JSON' 2 'expected a name in .html' page a.json -o x.json
bad 'HTML of another command' 2 'which page alone writes' text -o x.html
bad 'page of an absent file' 1 'absent.json' page absent.json -o x.html
ok=true
"$sdbench" page layersunet.json stepstep.csv kernels.json -o page.html > out 2> err && [ ! -s out ] || ok=false
report $ok 'page' "$(cat err)"
has page.html '^<!DOCTYPE html>' '<h3>layers</h3>' '<h3>step</h3>' '<h3>kernels</h3>' \
    '<h2 id="f2">kernels.json</h2>' '<details><summary>layers, [0-9]* rows</summary>' '<th>of roof %</th>' '</body></html>$'
ok=true
[ "$(grep -c '<circle' page.html)" -gt 20 ] || ok=false
# A namespace is a name, which nothing fetches.
sed 's,xmlns="http://www.w3.org/2000/svg",,' page.html | grep -Eq '<script|<link|https?://|url\(' && ok=false
report $ok 'the page has dots, and needs no network' "$(grep -c '<circle' page.html)"
ok=true
"$sdbench" page "${tiny%/tests/*}"/bench/results/*.json -o whole.html > out 2> err && [ ! -s out ] || ok=false
report $ok 'page of all results in the tree' "$(cat err)"
# Figures that no machine has make no axes without end.
printf '{"command": "layers", "precision": "f32", "roof": {"f32_gflops": 1e299, "read_gbs": 1e-299}, "layers": [
    {"name": "x", "class": "conv", "ms": 1e-308, "gflop": 1e290, "bytes": 1e-308, "roof_share": 1e308}]}' > vast.json
"$sdbench" page vast.json > vast.html 2> err
status=$?
ok=true
[ $status -eq 0 ] && [ "$(wc -c < vast.html)" -lt 32768 ] && grep -q "<circle" vast.html || ok=false
report $ok 'vast figures in a page' "status $status: $(wc -c < vast.html) bytes"
# Side by side: files of several machines and of none, each once; a score joins its machine's row.
sed 's/"machine": "m", /&"isa": "avx2", "precision": "f32", "arch": "sd15", "size": "512x512", "ms": 100, /' \
    a.json > one.json
printf '[%s, {"command": "score", "isa": "avx2", "precision": "f32", "threads": 2,
    "score": {"images_per_minute": 1.25}}]' "$(cat one.json)" > both.json
"$sdbench" page one.json both.json a.json > side.html 2> err
ok=true
[ "$(grep -c '^<tr><td class="t"><a href="#f' side.html)" -eq 3 ] &&
    [ "$(grep -c '"#f1".*sd15 512x512.*avx2 f32.*<td>100.0</td>.*<td>1.250</td>' side.html)" -eq 1 ] || ok=false
report $ok 'files side by side' "$(grep href side.html)"
sed 's/"name": "x"/"name": "<script>\&"/' a.json > sharp.json
"$sdbench" page sharp.json > sharp.html 2> err
ok=true
grep -q '&lt;script&gt;&amp;' sharp.html && ! grep -q '<script' sharp.html || ok=false
report $ok 'names in a page are text' "$(grep -i script sharp.html)"
if command -v xmllint > /dev/null 2>&1; then
    ok=true
    xmllint --html --noout page.html 2>&1 | grep -v 'Tag .* invalid' | grep -q 'error' && ok=false
    report $ok 'the page is HTML' "$(xmllint --html --noout page.html 2>&1 | head -3)"
fi
# Lists: each combination is a run, a document, a line, rows.
# shellcheck disable=SC2086
"$sdbench" text -m "$tiny" --size 64x64,32x32 --threads 1,2 --iterations 1 $level -o sweep.json \
    -o sweep.jsonl -o sweep.csv > out 2> err
status=$?
ok=true
[ $status -eq 0 ] && [ "$(grep -c '"command"' sweep.json)" -eq 4 ] &&
    [ "$(grep -c '"size":"32x32".*"threads":2\|"threads":2.*"size":"32x32"' sweep.jsonl)" -eq 1 ] &&
    [ "$(wc -l < sweep.jsonl)" -eq 4 ] && [ "$(grep -c '^text.*,passes,text,' sweep.csv)" -eq 4 ] &&
    [ "$(grep -c '^command,' sweep.csv)" -eq 1 ] || ok=false
report $ok 'lists' "status $status: $(cat err)"
columns sweep.csv
"$sdbench" compare sweep.csv sweep.jsonl -o compared.json > out 2> err
ok=true
[ "$(grep -c '"verdict"' compared.json)" -eq 4 ] || ok=false
report $ok 'lists are compared one by one' "$(cat err)"
"$sdbench" text -m "$tiny" --size 64x64 --threads 1,1 --precision f32 --json > list.json 2> err
valid list.json
# shellcheck disable=SC2086
good 'a preset' generate -m "$tiny" --preset mlperf-sdxl --size $size --steps 1 --threads 1 $level -o preset.json
has preset.json '"preset": "mlperf-sdxl"' '"samples_per_second"' '"latency_ms"' '"images_per_minute"' \
    '"steps_per_second"' '"first_step_ms"'
divisor=${SDRT_ROOF_DIVISOR-}
export SDRT_ROOF_DIVISOR="${divisor:-100}" # else five roofs take the time on a busy machine
# shellcheck disable=SC2086
good 'until the spread' text -m "$tiny" --size 64x64 --threads 1 --iterations 1 $level \
    --until-spread 0.0001 --max-seconds 5 -o until.json
[ -n "$divisor" ] || unset SDRT_ROOF_DIVISOR
has until.json '"samples": [0-9]' '"clocks_ghz": .[0-9]' '"throttled": .'
ok=true
[ -n "${SDRT_EMULATED-}" ] || # its five seconds are over before
    [ "$(sed -n 's/^ "samples": \([0-9]*\),*/\1/p' until.json)" -ge 5 ] || ok=false
report $ok 'five samples at least, until the spread' "$(grep '"samples":' until.json)"
# shellcheck disable=SC2086
good 'five images' generate $small --iterations 5 --steps 1 -o five.json
ok=true
grep '"name": "image"' five.json | grep -Eq '"samples_ms": \[[0-9.]+(, [0-9.]+){4}\]' || ok=false
report $ok 'five images give five samples' "$(grep '"image"' five.json)"
# Two machines' whole runs: each network beside its like, whatever the instruction set.
whole() { # NAME ISA UNET VAE
    { printf '['; sed "s/\"threads\"/\"isa\": \"$2\", \"network\": \"unet\", &/" "$3"
      printf ','; sed "s/\"threads\"/\"isa\": \"$2\", \"network\": \"vae\", &/" "$4"; printf ']'; } > "$1"
}
whole whole-a.json avx2 a.json slow.json
whole whole-b.json avx512 fast.json slow.json
verdict 'compare: whole runs of two machines' 0 'step vae: x .* 1\.000 .* SAME' whole-a.json whole-b.json
has out 'step unet: x .* 2\.000 .* FASTER' 'different isa: avx2 and avx512'
ok=true
[ "$(grep -c 'different isa' out)" -eq 1 ] || ok=false
report $ok 'compare: a difference is told once' "$(grep different out)"
{ printf '['; cat a.json; printf ','; cat slow.json; printf ']'; } > twice-a.json
{ printf '['; cat a.json; printf ','; cat fast.json; printf ']'; } > twice-b.json
verdict 'compare: a command run twice' 0 'step, run 2: x .* FASTER' twice-a.json twice-b.json
has out 'step: x .* SAME'
{ printf '['; cat a.json; printf ']'; } > list-a.json
{ printf '['; cat slow.json; printf ']'; } > list-b.json
verdict 'compare: lists' 3 ' SLOWER' list-a.json list-b.json --fail-above 5

finish
