#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Kernels of one's own: the one in bench/plugin/ is right and is timed; the same with a fault is
# caught, whatever the fault, and not timed.  Then shapes as text and as a file.
set -u
. "${srcdir-.}/tests/support.sh"

root=$(cd "${srcdir-.}" && pwd)
build=$(pwd)
sdbench=$build/sdbench
[ -z "${SDRT_EMULATED-}" ] || export SDRT_ROOF_DIVISOR=1000
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# compile FILE ARGUMENTS...
compile() {
    object=$1
    shift
    ${CC-cc} -O1 -shared -fPIC -I"$build/bench/plugin" -I"$root" -o "$object" "$@" > compiled 2>&1
}

small='conv 2x5x7 19+6>33 k3 s1 silu'

# caught NAME STATUS PATTERN [SECONDS]: FAULT=NAME makes sdbench say one line that matches, and time nothing.
caught() {
    ok=true
    compile "$1.so" -DFAULT="$1" "$root/tests/wrong_kernel.c" || ok=false
    "$sdbench" kernels conv --kernel "./$1.so" --shape "$small" --isa generic --seconds "${4-0}" \
        --threads 1 > out 2> err < /dev/null
    status=$?
    [ $status -eq "$2" ] && [ "$(wc -l < err)" -eq 1 ] && [ ! -s out ] || ok=false
    grep -q -e "$3" err || ok=false
    report $ok "caught: $1" "status $status: $(cat compiled err)"
}

ok=true
compile right.so "$root/bench/plugin/kernel.c" || ok=false
report $ok 'bench/plugin/kernel.c compiles' "$(cat compiled)"
"$sdbench" kernels conv --kernel ./right.so --shape "$small" --isa all --seconds 0 --threads 2 \
    -o right.json > out 2> err < /dev/null
status=$?
ok=true
[ $status -eq 0 ] && grep -q 'mine, right at 61 shapes' out || ok=false
report $ok 'the right one passes' "status $status: $(cat err)"
for level in generic blas mine; do
    ok=true
    grep -q "\"name\": \"conv $small.* $level\".*\"samples_ms\": \[[0-9]" right.json || ok=false
    report $ok "and is timed beside: $level" "$(grep -c samples_ms right.json)"
done

caught RETURNS_EARLY 1 'leaves [0-9]* of [0-9]* values unwritten\|values are off'
caught KEEPS_RESULTS 1 'result again\|values are off\|other bits'
caught READS_PAST 1 'reads or writes past the end of x '
caught READS_BEFORE 1 'reads or writes before the beginning of x '
caught SKIPS_A_TAIL 1 'values are off\|other bits'
caught WRITES_INPUT 1 'writes to x, which is an input'
caught WRITES_GAPS 1 'writes between the rows of y'
caught WRITES_PAST 1 'just outside y\|past the end of y'
caught SHARES_SCRATCH 1 'values are off\|other bits'
caught TRUSTS_SCRATCH 1 'values are off'
caught DEPENDS_ON_PARTS 1 'other bits'
caught LEAVES 1 'left the process'
abi=$(sed -n 's/^#define SDRT_KERNEL_ABI //p' "$build/bench/plugin/sdrt_kernel.h")
caught HAS_OTHER_ABI 1 "built for ABI $((abi + 1)): expected $abi$"
caught FILLS_NOTHING 1 'has no entry of attention, conv, gemm'
if [ -n "${SDRT_EMULATED-}" ]; then skip 'caught: GROWS_LAZY (emulated: too few calls in its time)'
else caught GROWS_LAZY 1 'right when it was checked, and another result in [1-9]' 0.2
fi

# other SOURCE FAULT FAMILY SHAPE PATTERN: right ones of the other families, and one with a fault in each.
other() {
    source=$1
    shift
    ok=true
    compile "other-$1.so" -DFAULT="$1" "$root/tests/$source.c" -lm || ok=false
    "$sdbench" kernels "$2" --kernel "./other-$1.so" --shape "$2 $3" --isa generic --seconds 0 --threads 2 \
        > out 2> err < /dev/null
    status=$?
    if [ "$1" = NONE ]; then [ $status -eq 0 ] && grep -q ', right at 61 shapes' out || ok=false
    else [ $status -eq 1 ] && [ "$(wc -l < err)" -eq 1 ] && [ ! -s out ] || ok=false; fi
    grep -q -e "$4" out err || ok=false
    report $ok "$2: $1" "status $status: $(cat compiled err)"
}
other norm_kernel NONE layer_norm 70x320 'norms'
other norm_kernel NONE rms_norm 30x6x64 'norms'
other norm_kernel SKIPS_A_TAIL layer_norm 70x320 'unwritten'
other norm_kernel ONE_PASS layer_norm 70x320 'values are off'
other norm_kernel WRONG_MEAN rms_norm 30x6x64 'values are off'
groups='2x300 19+6 g5'
other wrong_group_norm NONE gn_sums "$groups" 'group norm'
other wrong_group_norm FORGETS_A_PART gn_sums "$groups" 'leaves [0-9]* of [0-9]* values unwritten'
other wrong_group_norm SUMS_VALUES gn_sums "$groups" 'values are off'
other wrong_group_norm ADDS_UP gn_sums "$groups" 'values are off\|unwritten'
other wrong_group_norm SKIPS_X2 gn_sums "$groups" 'values are off'
other wrong_group_norm READS_ONE_PAST gn_sums "$groups" 'reads or writes past the end of x '
other wrong_group_norm KEEPS_SUMS gn_sums "$groups" 'result again\|values are off'
other wrong_group_norm NONE gn_fold "$groups" 'group norm'
other wrong_group_norm FORGETS_EPS gn_fold "$groups" 'values are off'
other wrong_group_norm FOLDS_BETA gn_fold "$groups" 'values are off'
other wrong_group_norm SHARES_A_VARIANCE gn_fold "$groups" 'values are off'
other wrong_group_norm WRITES_SUMS gn_fold "$groups" 'writes to sums, which is an input'
other wrong_elementwise NONE elementwise 'silu 70x19' 'plain loops'
other wrong_elementwise SKIPS_A_TAIL elementwise 'silu 70x19' 'values are off'
other wrong_elementwise IS_ROUGH elementwise 'silu 70x19' 'values are off'
other wrong_elementwise WRITES_GAPS elementwise 'relu 70x19' 'writes between the rows of y'
other wrong_elementwise IGNORES_SLOPES elementwise 'relu 70x19' 'values are off'
other wrong_elementwise READS_ONE_PAST elementwise 'blend 70x19' 'reads or writes past the end of x '
other wrong_elementwise KEEPS_SUMS elementwise 'silu_of_sums 7x3x19' 'result again\|values are off'
other wrong_elementwise TAKES_F32 elementwise 'embed 9x7x19x40' 'values are off\|past the end of x\|unwritten'
other wrong_elementwise SKIPS_A_PART elementwise 'halve 2x7x9x5' 'leaves [0-9]* of [0-9]* values unwritten'
other wrong_elementwise KNOWS_DISTANCE elementwise 'relative_bias 70x3x32x100' 'values are off'
other wrong_elementwise SEES_ALL elementwise 'own_attention 2x30x20x3x8' 'values are off'
other wrong_elementwise TURNS_TWICE elementwise 'low_frequencies 2x7x9x5' 'values are off'
other wrong_elementwise GUIDES_ALONE elementwise 'guide 2x35x4' 'values are off'
# All sixteen, over what sdbench times of itself.
ok=true
compile all.so "$root/tests/all_elementwise.c" || ok=false
"$sdbench" kernels elementwise --kernel ./all.so --isa generic --seconds 0 --threads 2 > out 2> err < /dev/null
status=$?
[ $status -eq 0 ] && grep -q 'all of them, right at 74 shapes' out || ok=false
report $ok 'elementwise: all' "status $status: $(cat compiled err)"

# bad NAME STATUS PATTERN ARGUMENTS...
bad() {
    name=$1 expected=$2 pattern=$3
    shift 3
    "$sdbench" "$@" > out 2> err < /dev/null
    status=$?
    ok=true
    [ $status -eq "$expected" ] && [ "$(wc -l < err)" -eq 1 ] && [ ! -s out ] || ok=false
    grep -q -e "$pattern" err || ok=false
    report $ok "$name" "status $status (expected $expected): $(cat err)"
}

bad 'no such object' 1 'cannot load kernel .*absent.so' kernels conv --kernel ./absent.so
printf 'int nothing;\n' > empty.c
compile empty.so empty.c
bad 'an object without the function' 1 'export sdrt_kernel_fill' kernels conv --kernel ./empty.so
bad 'a family that it has not' 1 'no entry of gemm' kernels gemm --kernel ./right.so \
    --shape 'gemm 3 4>5'
bad 'an operation that it has not' 1 'no entry of elementwise: crop' kernels elementwise \
    --kernel ./other-NONE.so --shape 'elementwise crop 9x3x3x5'
bad 'no family' 2 'expected its family' kernels --kernel ./right.so
bad 'a family that is not to be had' 2 'expected its family' kernels norm --kernel ./right.so
bad 'a seed for nothing' 2 'only with --kernel' kernels conv --seed 3

bad 'a shape without sizes' 2 'the sizes' kernels --shape 'conv '
bad 'a shape of two sizes' 2 '"2x64" means nothing' kernels --shape 'conv 2x64 3>4'
bad 'a kernel of 5' 2 '"k5" means nothing' kernels --shape 'conv 2x64x64 3>4 k5'
bad 'a stray word' 2 '"quickly" means nothing' kernels --shape 'gemm 3 4>5 quickly'
bad 'a shape too large' 2 'do not go together' kernels --shape 'gemm 9999999 9999999>5'
bad 'causal, of two lengths' 2 'do not go together' kernels --shape 'attention 1x1x8 3x4 causal'
bad 'an operation that is none' 2 '"tanh" means nothing' kernels --shape 'elementwise tanh 3x4'
bad 'an operation of other sizes' 2 '"3x4" means nothing' kernels --shape 'elementwise guide 3x4'
bad 'an operation of sizes that do not fit' 2 'do not go together' kernels \
    --shape 'elementwise to_patches 1x7x8x3x2'
bad 'a shape of another family' 2 'expected one of gemm' kernels gemm --shape 'conv 1x3x3 4>5'
bad 'a shape and a file' 2 'no --shapes beside' kernels --shape 'gemm 3 4>5' --shapes x.json
bad 'shapes absent' 1 'absent.json' kernels --shapes absent.json
printf '{"shapes": [{"name": "a"}]}' > nameless.json
bad 'a shape without a shape' 1 'shape 1: expected' kernels --shapes nameless.json
printf '{"shapes": [{"shape": "gemm 3 4>5 gated gelu", "name": "one"}, {"shape": "rms_norm 3x2x8"}]}' \
    > two.json
"$sdbench" kernels --shapes two.json --isa generic --seconds 0 --threads 1 -o two-out.json > out 2> err
ok=true
grep -q '"name": "gemm one generic"' two-out.json && grep -q '"rms_norm rms_norm 3x2x8' two-out.json ||
    ok=false
report $ok 'shapes of a file' "$(cat err)"

# The models' shapes, written and read again, and the list in the tree.
"$sdbench" shapes -o shapes.json > out 2> err
"$sdbench" shapes --shapes shapes.json -o again.json > out 2>> err
for file in shapes again; do
    grep -o '"shape": .*"calls": [0-9]*' $file.json > $file.lines
done
grep -o '"shape": .*"calls": [0-9]*' "$root/bench/plugin/shapes.json" > tree.lines
ok=true
[ -s shapes.lines ] && cmp -s shapes.lines again.lines || ok=false
report $ok 'shapes are read as they are written' "$(diff shapes.lines again.lines | head -3)"
ok=true
cmp -s shapes.lines tree.lines || ok=false
report $ok 'bench/plugin/shapes.json is the list' "$(diff shapes.lines tree.lines | head -3)"

# The header stands alone, in C and in C++.
printf '#include <sdrt_kernel.h>\nint main(void) { return SDRT_KERNEL_ABI - 1; }\n' > alone.c
for compiler in "${CC-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror" \
    "${CXX-c++} -x c++ -std=c++17 -Wall -Wextra -Werror"; do
    if ! command -v "$(echo "$compiler" | awk '{ print $1 }')" > /dev/null 2>&1; then
        skip "the header by $compiler"
        continue
    fi
    ok=true
    $compiler -fsyntax-only -I"$build/bench/plugin" alone.c > compiled 2>&1 || ok=false
    report $ok "the header by $compiler" "$(cat compiled)"
done

finish
