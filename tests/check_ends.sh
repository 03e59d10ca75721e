#!/bin/sh
# SPDX-License-Identifier: MIT
#
# How programs end: by signals at bad moments, without descriptors, over links and over what they read.
set -u
. "${srcdir-.}/tests/support.sh"

build=$(pwd)
top=$(cd "${srcdir-.}" && pwd)
golden=$top/tests/golden
tiny=$golden/tiny-sd15
faults=$build/tests/.libs/libfaults.so
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" "$work".*' EXIT
cd "$work" || exit 1
sdgen=$(any_level "$build/sdgen" "$work.sdgen")

draw() { "$sdgen" -m "$tiny" -p a -W 64 -H 64 --steps 1 --seed 1 --threads 1 --quiet "$@" < /dev/null; }

# signalled CALL SIGNAL TIMES: it comes before that system call, and x.png is to be written.
signalled() {
    env "$(preload "$faults")" FAULT_AT="$1" FAULT_SIGNAL="$2" FAULT_SIGNALS="$3" \
        "$sdgen" -m "$tiny" -p a -W 64 -H 64 --steps 1 --seed 1 --threads 1 --quiet -o x.png --force < /dev/null
}

# left NAMES: these files are there and no others.
left() { [ "$(find . -mindepth 1 | sed 's!^\./!!' | sort | tr '\n' ' ')" = "$1" ]; }

# old_stays NAME STATUS: $status is that one, the old file is as it was and nothing beside it.
old_stays() {
    ok=true
    [ "$status" -eq "$2" ] && left 'x.png ' && [ "$(cat x.png)" = old ] || ok=false
    report $ok "$1" "status $status: $(ls -A)"
}

# Signals while a file is written: the old one stays, and nothing beside it.
if [ -f "$faults" ] && ! grep -q '^CFLAGS.*fsanitize=' "$build/Makefile"; then
    for at in fsync rename; do
        for signal in 1 2 3 15 24; do # HUP, INT, QUIT, TERM, XCPU
            printf old > x.png
            (ulimit -c 0
             signalled $at $signal 1) 2> "$work.err"
            status=$?
            ok=true
            [ "$status" -eq $((128 + signal)) ] && left 'x.png ' || ok=false
            # A first signal is one to end, which what is written already does not notice.
            [ "$(cat x.png)" = old ] || [ "$(head -c 4 x.png | od -An -tx1 | tr -d ' ')" = 89504e47 ] || ok=false
            report $ok "signal $signal before $at" "status $status: $(ls -A)"
        done
        printf old > x.png
        signalled $at 15 2 2> "$work.err"
        status=$?
        old_stays "two signals before $at" 143
        rm -f x.png
    done

    # A signal as soon as a temporary file or folder is there: nothing is left of it.
    for times in 1 2; do
        printf old > x.png
        FAULT_NAMED=1 signalled open 15 $times 2> "$work.err"
        status=$?
        old_stays "$times of SIGTERM behind a temporary file's making" 143
        rm -f x.png
    done
    env "$(preload "$faults")" FAULT_AT=mkdir FAULT_SIGNAL=15 FAULT_SIGNALS=2 "$build/sdconvert" --quiet \
        "$tiny" converted/ < /dev/null 2> "$work.err"
    status=$?
    ok=true
    [ "$status" -eq 143 ] && left '' || ok=false
    report $ok "two of SIGTERM behind a temporary folder's making" "status $status: $(ls -A)"
    rm -rf converted

    # Where it gets no name in the end it is copied to a file that has one.
    draw -o good.png
    cp good.png x.png
    chmod 640 good.png x.png
    FAULT_NAMED=2 signalled nowhere 15 0 2> "$work.err"
    status=$?
    ok=true
    [ "$status" -eq 0 ] && left 'good.png x.png ' && cmp -s x.png good.png || ok=false
    [ "$(find x.png -perm 640)" = x.png ] || ok=false
    report $ok 'a file that gets no name' "status $status: $(ls -lA) $(cat "$work.err")"
    rm -f good.png x.png

    # Without a name until it is whole, where the file system has such files: killed, it leaves nothing.
    printf old > x.png
    FAULT_UNNAMED="$work.unnamed" signalled fsync 9 1 2> "$work.err"
    status=$?
    if [ "$(cat "$work.unnamed")" -eq 1 ]; then
        old_stays 'killed before fsync' 137
    else
        skip 'killed before fsync: this file system has no files without a name'
    fi
    find . -name '.sdrt-*' -delete
    rm -f x.png

    # reading N PROGRAM...: SIGINT comes behind its N-th read.  "STATUS READS", of all that it made.
    reading() {
        n=$1
        shift
        rm -f "$work.count"
        env "$(preload "$faults")" FAULT_AT=pread FAULT_NTH="$n" FAULT_SIGNAL=2 FAULT_COUNT="$work.count" \
            "$@" < /dev/null > /dev/null 2> "$work.err"
        echo "$? $(cat "$work.count")"
    }
    # interrupted NAME N MOST PROGRAM...: behind the N-th read there are MOST more at most, one line, and
    # nothing of what it was to write.
    interrupted() {
        name=$1 n=$2 most=$3
        shift 3
        printf old > x.png
        said=$(reading "$n" "$@")
        ok=true
        [ "${said% *}" -eq 130 ] && [ "${said#* }" -le $((n + most)) ] || ok=false
        grep -q '^sd[a-z]*: interrupted$' "$work.err" && [ "$(wc -l < "$work.err")" -eq 1 ] || ok=false
        left 'x.png ' && [ "$(cat x.png)" = old ] || ok=false
        report $ok "$name" "status and reads $said, of $n and $most more: $(ls -A) $(cat "$work.err")"
    }
    lora=$golden/lora/kohya-lora.safetensors
    image="$sdgen -m $tiny -p a -W 8 -H 8 --steps 1 --seed 1 --threads 1 --quiet -o x.png --force"
    printf old > x.png
    opened=$(reading 1000000 "$sdgen" --inspect "$tiny")
    interrupted 'a signal while a model is opened' 5 0 $image
    interrupted 'a signal while it is looked at' 5 0 "$sdgen" --inspect "$tiny"
    plain=$(reading 1000000 $image)
    merged=$(reading 1000000 $image --lora "$lora")
    # A weight is merged at once: itself, two factors and a scale, twice for a bias.
    more=$((${merged#* } - ${plain#* }))
    interrupted 'a signal while weights are read' $((${plain#* } - 100)) 8 $image
    for n in 1 2 3 4 5 6; do
        interrupted "a signal while a LoRA is merged, $n" $((${opened#* } + more * n / 3)) 8 $image --lora "$lora"
    done
    interrupted 'a signal while a model is converted' 100 8 "$build/sdconvert" --quiet "$tiny" x.safetensors
    interrupted 'a signal while a model is converted with a LoRA' $((${opened#* } + 100)) 8 \
        "$build/sdconvert" --quiet --lora "$lora" "$tiny" x.safetensors
    interrupted 'a signal while a folder is converted' 150 8 "$build/sdconvert" --quiet "$tiny" x/
    rm -f x.png
else
    skip 'signals at a moment'
fi

# A pipe that nobody reads holds up the program, not its user.
mkfifo pipe
"$sdgen" -m "$tiny" -p a -W 64 -H 64 --steps 1 --quiet -o pipe < /dev/null > /dev/null 2> "$work.err" &
pid=$!
sleep 2
kill -TERM $pid
for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 $pid 2> /dev/null || break
    sleep 1
done
kill -KILL $pid 2> /dev/null
wait $pid
status=$?
ok=true
[ "$status" -eq 143 ] || ok=false
report $ok 'a signal at a pipe without a reader' "status $status: $(cat "$work.err")"
rm -f pipe

# Without descriptors, no file gets what is meant for them.
draw -o good.png
for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
    eval 'draw -o x.png --force '"$closed"
    ok=true
    cmp -s x.png good.png || ok=false
    report $ok "an image with $closed" "another image"
done
"$build/sdconvert" "$tiny" good.safetensors > "$work.err" 2>&1
for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
    rm -f x.safetensors
    eval '"$build/sdconvert" "$tiny" x.safetensors '"$closed"
    ok=true
    cmp -s x.safetensors good.safetensors || ok=false
    report $ok "a model converted with $closed" "another file: $(cat "$work.err")"
done
rm -f x.safetensors good.safetensors
draw -o x.png --force --json >&- 2> "$work.err"
status=$?
ok=true
[ $status -eq 1 ] && grep -q 'standard output' "$work.err" || ok=false
report $ok 'a report for a closed output' "$(cat "$work.err")"
rm -f x.png

# Links.
ln -s there.png link.png
draw -o link.png --force
ok=true
[ -L link.png ] && cmp -s there.png good.png || ok=false
report $ok 'a link to what is not there yet' "$(ls -l)"
rm -f link.png there.png

# What is read is not written over.
cp "$golden/lora/kohya-lora.safetensors" lora.safetensors
ln lora.safetensors lora.png
ln -s lora.safetensors link.png
cp -R "$tiny" model && chmod -R u+w model
ln -s model/unet/diffusion_pytorch_model.safetensors part.png
for name in lora.png link.png; do
    draw --lora lora.safetensors -o $name --force 2> "$work.err"
    status=$?
    ok=true
    [ $status -eq 2 ] && cmp -s lora.safetensors "$golden/lora/kohya-lora.safetensors" || ok=false
    grep -q 'is read as lora.safetensors' "$work.err" || ok=false
    report $ok "a LoRA called $name" "$(cat "$work.err")"
done
"$sdgen" -m model -p a --quiet -o part.png --force 2> "$work.err"
status=$?
ok=true
[ $status -eq 2 ] && grep -q 'is read as model' "$work.err" || ok=false
report $ok "a model's file" "$(cat "$work.err")"
"$sdgen" -m model --plan=model/unet/config.json 2> "$work.err"
status=$?
ok=true
[ $status -eq 2 ] && cmp -s model/unet/config.json "$tiny/unet/config.json" || ok=false
report $ok "a plan over a model's configuration" "$(cat "$work.err")"
rm -f ./*.png

# An image tells a LoRA's name, not where its user has it.
mkdir private && mv lora.safetensors private/
draw --lora "$work/private/lora.safetensors:0.5" -o x.png
ok=true
strings x.png | grep -q 'LoRA: "lora.safetensors:0.5' && ! strings x.png | grep -q private || ok=false
report $ok 'the name of a LoRA in an image' "$(strings x.png | grep LoRA)"

# The programs end past exit handlers, but not where a sanitizer looks for leaks in one.
cat > leak.c << 'C'
#include "kernels/blas/leave.h"
#include <stdlib.h>
void *volatile p;
int main(int argc, char **argv)
{
    p = malloc(17);
    p = NULL;
    (void)argv;
    return argc > 1 ? 0 : sdrt_blas_leave(0);
}
C
for cc in gcc clang; do
    if ! $cc -fsanitize=address -I"$top" leak.c -o leak 2> /dev/null || ./leak plain 2> /dev/null; then
        skip "leaks at the end: no $cc that finds them"
        continue
    fi
    ok=true
    ./leak 2> "$work.err" && ok=false
    grep -q '17 byte' "$work.err" || ok=false
    report $ok "leaks at the end, by $cc" "$(cat "$work.err")"
done
finish
