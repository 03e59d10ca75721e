#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What llvm-mca makes of the inner loops of Arm's kernels, as `arm.sh build` compiled them:
#     build-aux/arm-model.sh
# For each loop that multiplies and each core: the share of the core's roof, which is the rate of the
# same product alone, on as many sums as there are registers.  All loads hit L1 in this model.  Exits
# with 1 where a share is below its least, or a loop touches the stack (sums that were spilled).
#
# BUILD is the build tree (build-arm64), MCA names llvm-mca 19 or later, which knows these cores.
set -eu

SOURCE=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${BUILD-$SOURCE/build-arm64}
OBJDUMP=${OBJDUMP-aarch64-linux-gnu-objdump}
cores='neoverse-n1 neoverse-n2 neoverse-v1 neoverse-v2 oryon-1'

die() { echo "arm-model.sh: $*" >&2; exit 2; }

find_mca() {
    for mca in ${MCA-} llvm-mca llvm-mca-22 llvm-mca-21 llvm-mca-20 llvm-mca-19; do
        version=$("$mca" --version 2> /dev/null | sed -n 's/.*version \([0-9]*\)\..*/\1/p' | head -1)
        [ "${version:-0}" -lt 19 ] || return 0
    done
    die 'missing: llvm-mca 19 or later, by its Debian name llvm-19'
}

command -v "$OBJDUMP" > /dev/null || die 'missing, by its Debian name: binutils-aarch64-linux-gnu'
find_mca
[ -f "$BUILD/Makefile" ] || die "$BUILD: expected a build; run 'arm.sh build' first"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The inner loop with most products of each function, to $work/OBJECT.FUNCTION.s; one line for each:
# its name, kind of product, how many, loads of 128 bits, instructions, accesses of the stack.
# llvm-mca wants no target of the branch back.
loops() {
    "$OBJDUMP" -d --no-show-raw-insn "$1" | awk -v stem="$2" -v folder="$work" '
        function value(hex,    i, v) {
            for (i = 1; i <= length(hex); i++)
                v = 16 * v + index("0123456789abcdef", substr(hex, i, 1)) - 1
            return v
        }
        function kind_of(text) {
            if (text ~ /^(bfdot|bfmmla|sdot|smmla)\t/) return substr(text, 1, index(text, "\t") - 1)
            if (text ~ /^fmla\tv[0-9]+\.4s/) return "fmla"
            if (text ~ /^fmla\tv[0-9]+\.8h/) return "fmla.8h"
            return ""
        }
        # Looks at the loop of instructions first .. last.
        function look(first, last,    i, k, counts, best, text) {
            for (i = first; i < last; i++)
                if (back[i] && back[i] >= first) return # there is a loop inside
            best = "none"
            for (i = first; i <= last; i++)
                if ((k = kind_of(code[i])) != "" && ++counts[k] > counts[best]) best = k
            # Others, of a softmax, do more than they multiply.
            if (2 * counts[best] < last - first + 1 || counts[best] <= most) return
            most = counts[best]; kind = best
            loads = stack = 0; body = ""
            for (i = first; i <= last; i++) {
                text = code[i]
                if (text ~ /^ld/) loads += text ~ /^ldp\t[qdv]/ ? 2 : 1
                if (text ~ /\[sp/) stack++
                sub(/[0-9a-f]+ <.*/, ".", text)
                body = body "\t" text "\n"
            }
            size = last - first + 1
        }
        function close_function(    i) {
            most = 0
            for (i = 1; i <= n; i++) if (back[i]) look(back[i], i)
            if (most) {
                printf "%s", body > (folder "/" stem "." name ".s")
                close(folder "/" stem "." name ".s")
                print stem "." name, kind, most, loads, size, stack
            }
            n = 0
        }
        /^[0-9a-f]+ <.*>:$/ { close_function(); name = $2; gsub(/[<>:]/, "", name); split("", at); next }
        /^ *[0-9a-f]+:\t/ {
            address = $1; sub(/:/, "", address)
            at[value(address)] = ++n
            text = $0; sub(/^ *[0-9a-f]+:\t/, "", text); sub(/ *\/\/.*/, "", text)
            code[n] = text
            back[n] = 0
            if (text ~ /^(b|b\..*|cbn?z|tbn?z)\t.*<.*>$/) {
                target = text; sub(/ <.*/, "", target); sub(/.*[ \t]/, "", target)
                if (value(target) in at) back[n] = at[value(target)]
            }
        }
        END { close_function() }'
}

# cycles CORE FILE: of one turn, in the long run.  LLVM's model of Oryon lacks BFDOT by element; by
# whole vectors it goes through the same pipes.
cycles() {
    [ "$1" != oryon-1 ] || sed -i '/^\tbfdot/s/\.2h\[[0-3]\]/.8h/' "$2"
    for turns in 200 600; do
        "$mca" -mtriple=aarch64-linux-gnu -mcpu="$1" -mattr=+fullfp16,+dotprod,+bf16,+i8mm \
            -iterations=$turns -resource-pressure=0 -instruction-info=0 "$2" |
            sed -n 's/^Total Cycles: *//p'
    done | awk '{ total[NR] = $1 } END { if (NR != 2) exit 1; print (total[2] - total[1]) / 400 }'
}

# alone KIND FILE: 24 sums that wait for nothing but themselves.
alone() {
    case $1 in
        fmla) form='fmla\tv%d.4s, v30.4s, v31.4s\n' ;;
        fmla.8h) form='fmla\tv%d.8h, v30.8h, v31.8h\n' ;;
        bfdot | bfmmla) form="$1"'\tv%d.4s, v30.8h, v31.8h\n' ;;
        *) form="$1"'\tv%d.4s, v30.16b, v31.16b\n' ;;
    esac
    i=0
    while [ $i -lt 24 ]; do
        # shellcheck disable=SC2059 # the format is the case's
        printf "$form" $i
        i=$((i + 1))
    done > "$2"
}

# Percent of the roof that is asked for.
least_of() {
    case $1:$2 in
        *attention*) echo 90 ;;
        *:bfmmla) echo 95 ;;
        *) echo 97 ;;
    esac
}

"$mca" --version | sed -n 's/^ *\(.*version.*\)/\1/p'
printf '%-44s %-8s %8s %5s %5s %5s' loop product products loads all stack
for core in $cores; do printf ' %11s' "$core"; done
printf ' %6s\n' least
bad=0
find "$BUILD"/kernels/neon* -name '*-gemm.o' -o -name '*-conv.o' -o -name '*-attention.o' |
    sort > "$work/objects"
[ -s "$work/objects" ] || die "$BUILD/kernels: no objects of Arm's; run 'arm.sh build' first"
while read -r object; do
    level=${object#"$BUILD"/kernels/}
    stem=${level%%/*}.$(basename "$object" .o | sed 's/.*-//')
    loops "$object" "$stem" > "$work/found"
    [ -s "$work/found" ] || { echo "$stem: no loop that multiplies was found"; bad=1; }
    while read -r name kind products loads size stack; do
        least=$(least_of "$name" "$kind")
        printf '%-44s %-8s %8d %5d %5d %5d' "$name" "$kind" "$products" "$loads" "$size" "$stack"
        [ "$stack" -eq 0 ] || bad=1
        for core in $cores; do
            case $core:$kind in neoverse-n1:bf* | neoverse-n1:smmla) printf ' %11s' -; continue ;; esac
            [ -f "$work/alone.$kind" ] || alone "$kind" "$work/alone.$kind"
            roof=$(cycles "$core" "$work/alone.$kind") || die "$mca refuses $kind on $core"
            turn=$(cycles "$core" "$work/$name.s") || die "$mca refuses $name on $core"
            share=$(echo "$products $roof $turn" | awk '{ printf "%.1f", 100 * $1 * $2 / 24 / $3 }')
            printf ' %9s %%' "$share"
            [ "$(echo "$share $least" | awk '{ print ($1 >= $2) }')" -eq 1 ] || bad=1
        done
        printf ' %4s %%\n' "$least"
    done < "$work/found"
done < "$work/objects"
[ $bad -eq 0 ] || echo 'below what is asked, or on the stack: see the table'
exit $bad
