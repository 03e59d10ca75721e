#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sdgen under mpirun, oversubscribed, on tiny models: the images are those of one process, and ranks that
# are killed or stopped hold up nobody.  What works without MPI is tested without it (test_ranks).
set -u
. "${srcdir-.}/tests/support.sh"

build=$(pwd)
golden=$(cd "${srcdir-.}" && pwd)/tests/golden
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
sdgen=$build/sdgen what='-p cat'
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

draws() { echo "-m $golden/$1 $what -W 64 -H 64 --steps 2 --seed 5 --quiet"; }

# refuses NAME STATUS PATTERN ARGUMENTS...: one line, and no file.
refuses() {
    name=$1 expected=$2 pattern=$3
    shift 3
    # shellcheck disable=SC2046 # a list of words
    "$sdgen" $(draws tiny-sd15) "$@" > "$work.out" 2>&1
    status=$?
    ok=true
    [ $status -eq "$expected" ] && [ "$(wc -l < "$work.out")" -eq 1 ] || ok=false
    grep -q -e "$pattern" "$work.out" && [ -z "$(ls)" ] || ok=false
    report $ok "$name" "status $status: $(cat "$work.out")"
    rm -f "$work.out"
}
refuses 'a wrong way' 2 'expected images' --mpi=wings
refuses 'a timeout alone' 2 'expected --mpi' --mpi-timeout 3
refuses 'one sheet of all' 2 '--mpi, --grid: expected one' --mpi --grid all.png
refuses 'standard output' 2 '--mpi, --output -' --mpi -o -
SDRT_MPI_PART=$work/none.so refuses 'no part for MPI' 1 'no part to load' --mpi

if [ ! -f "$build/.libs/sdrt-mpi.so" ]; then
    skip 'ranks (this build has no MPI)'
    finish
    exit
fi
if ! mpirun --version 2> /dev/null | grep -q 'Open MPI'; then
    skip "ranks (no Open MPI's mpirun)"
    finish
    exit
fi
export SDRT_MPI_PART="$build/.libs/sdrt-mpi.so"

# many N ARGUMENTS...: N ranks on this machine, whatever it has.
many() {
    n=$1
    shift
    timeout 300 mpirun --oversubscribe -n "$n" "$@" < /dev/null
}

# same NAME RANKS MODEL ARGUMENTS...: one process and so many ranks draw the same files.
same() {
    name=$1 ranks=$2 model=$3
    shift 3
    mkdir one
    # shellcheck disable=SC2046
    (cd one && "$sdgen" $(draws "$model") "$@") || report false "$name" 'one process'
    for n in $ranks; do
        mkdir many
        ok=true
        # shellcheck disable=SC2046
        (cd many && many "$n" "$sdgen" $(draws "$model") --mpi "$@" > ../log 2>&1) &&
            diff -r one many >> log 2>&1 || ok=false
        report $ok "$name, $n ranks" "$(head -5 log)"
        rm -r many
    done
    rm -r one
}
same 'batches of SD 1.5' '1 2 4' tiny-sd15 --batch-count 5 --batch 2
same 'batches of SDXL' 2 tiny-sdxl --batch-count 3
same 'batches of SD 3.5' 2 tiny-sd35 --batch-count 3 -o '[seed].png'
printf 'a cat\na dog\na house\n' > prompts.txt
what="--prompt-file $work/prompts.txt"
same 'prompts of a file' 3 tiny-sd15 --batch-count 2
what='-p cat'

# draws_as NAME RANKS MODEL ARGUMENTS...: so many ranks draw together what one process does.
draws_as() {
    name=$1 n=$2 model=$3
    shift 3
    mkdir one many
    ok=true
    # shellcheck disable=SC2046
    (cd one && "$sdgen" $(draws "$model") --isa generic $(echo " $* " | sed 's/ --mpi=[a-z]* / /') > ../log 2>&1) ||
        ok=false
    # shellcheck disable=SC2046
    (cd many && many "$n" "$sdgen" $(draws "$model") --isa generic "$@" >> ../log 2>&1) || ok=false
    cmp one/a.png many/a.png >> log 2>&1 && [ "$(ls many)" = a.png ] || ok=false
    report $ok "$name, $n ranks" "$(head -5 log)"
    rm -r one many
}
for model in sd15 sdxl sd35; do
    draws_as "guidance of $model" 2 tiny-$model --mpi=guidance -o a.png
done
# Where sums keep their order, as in direct convolutions, that is to the byte, of SD 1.5 for most seeds; see
# test_rows.
draws_as 'rows of SD 1.5' 2 tiny-sd15 --mpi=rows -H 128 --seed 8 -o a.png
draws_as 'rows of SDXL' 4 tiny-sdxl --mpi=rows -o a.png
draws_as 'rows of SD 3.5' 3 tiny-sd35 --mpi=rows -o a.png

# together NAME PATTERN ARGUMENTS...: two ranks refuse it in one line.
together() {
    name=$1 pattern=$2
    shift 2
    # shellcheck disable=SC2046
    many 2 "$sdgen" $(draws tiny-sd15) "$@" > log 2>&1
    ok=true
    [ "$(grep -c '^sdgen:' log)" -eq 1 ] && grep -q "$pattern" log && [ ! -e a.png ] || ok=false
    report $ok "$name" "$(cat log)"
}
together 'a height that is no band' 'rows of ranks: 64x64: expected multiples of 64' --mpi=rows -o a.png
together 'guidance where there is none' 'expected guidance, a scale above 1' --mpi=guidance --cfg-scale 1 -o a.png
together 'guidance that ends' 'guidance of ranks: expected no tgate' --mpi=guidance --cache tgate --steps 12 -o a.png
together 'a size that the model refuses' 'up to 96 for SD 3.5' --mpi=rows \
    -m "$golden/tiny-sd35" -H 128 -o a.png

# measures NAME RANKS CONDITION ARGUMENTS...: so many ranks of sdbench write one report, in which the condition, in
# awk, holds of the row of all: ms, times, efficiency, exchange (its share), received and least (bytes), one (the
# ms of one rank), alone and shared (bytes of memory of one and of all).
measures() {
    name=$1 ranks=$2 condition=$3
    shift 3
    ok=true
    many "$ranks" "$build/sdbench" "$@" --isa generic --precision f32 --mpi-timeout 60 \
        -o m.csv -o m.json -o m.md > log 2>&1 || ok=false
    [ "$(grep -c '^ *commit' log)" -eq 1 ] && [ "$(grep -c '"mpi"' m.json)" -eq 1 ] || ok=false
    grep -v '^#' m.csv | sed 's/"[^"]*"/quoted/g' | awk -F, -v ranks="$ranks" '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        $at["table"] == "passes" && $at["ranks"] == 1 {
            one = $at["ms"]; memory = $at["resident_bytes"]; alone = $at["pss_bytes"]
        }
        $at["table"] == "passes" && $at["ranks"] == ranks {
            ms = $at["ms"]; times = $at["times"]; efficiency = $at["efficiency"]
            exchange = $at["exchange_share"]; received = $at["received_bytes"]; least = $at["least_bytes"]
            all = $at["resident_bytes"]; shared = $at["pss_bytes"]
        }
        $at["table"] == "ranks" {
            n++; sum += $at["received_bytes"]; own += $at["resident_bytes"]; exchanges += $at["exchanges"]
        }
        END {
            near = times / (one / ms) # as a passes one has it
            exit !(n == ranks && sum == received && own == all && all > memory && ms > 0 && one > 0 &&
                   exchange >= 0 && exchange < 1 && efficiency > 0 && ('"$condition"'))
        }' || ok=false
    report $ok "sdbench $name, $ranks ranks" "$(head -5 log; grep -v '^#' m.csv)"
    rm -f m.csv m.json m.md
}
tiny=$golden/tiny-sd15
# Of the pair each half of a latent crosses, 4 channels of 8x8 in f32, and no more.
measures 'step, guidance' 2 'near > 0.999 && near < 1.001 && received == 2048 && least == 2048' \
    step --mpi=guidance -m "$tiny" --size 64x64
measures 'step, rows' 2 'near > 0.999 && near < 1.001 && received > least && least > 0 && exchange > 0' \
    step --mpi=rows -m "$tiny" --size 64x128
measures 'step apart' 3 'near > 2.99 && near < 3.01 && received == 0 && exchanges == 0' step --mpi -m "$tiny" --size 64x64
measures 'vae, rows' 2 'received > least && least > 64 * 128 * 3 * 4' vae --mpi=rows -m "$tiny" --size 64x128
# Weights are packed once a machine: three processes take less than twice as much as one.
measures 'vae of random weights' 3 'shared > 0 && shared < 2 * alone' vae --mpi --size 16x16 --iterations 1
measures 'generate, guidance' 2 'received == 3 * 2048 && least == received' \
    generate --mpi=guidance -m "$tiny" --size 64x64 --steps 3 --iterations 2
measures 'generate, rows' 2 'received > least && least > 0' generate --mpi=rows -m "$tiny" --size 64x128 --steps 2

# What all would say is said once.
many 3 "$build/sdbench" step -m "$golden/tiny-sd15" --mpi=guidance --size 64x64 -o m.json > log 2>&1
ok=true
[ "$(grep -c '^sdbench: error:' log)" -eq 1 ] && grep -q 'guidance of 3 ranks: expected 2' log && [ ! -e m.json ] || ok=false
report $ok 'sdbench refuses once' "$(cat log)"
mkdir there
: > there/a.png
# shellcheck disable=SC2046
(cd there && many 2 "$sdgen" $(draws tiny-sd15) --mpi -o a.png > ../log 2>&1)
ok=true
[ "$(grep -c 'is there already' log)" -eq 1 ] && [ ! -s there/a.png ] || ok=false
report $ok 'a name that is taken is refused once' "$(cat log)"

# ranks_there RANK: the process in many/ that is that rank.
ranks_there() {
    find /proc -maxdepth 2 -name exe -lname "$sdgen" 2> /dev/null | while IFS= read -r exe; do
        [ "$(readlink "${exe%/exe}/cwd")" = "$work/many" ] &&
            tr '\0' '\n' < "${exe%/exe}/environ" 2> /dev/null | grep -qx "OMPI_COMM_WORLD_RANK=$1" &&
            basename "${exe%/exe}"
    done
}

# await COMMAND...: until it says something, some 30 s at most.
await() {
    tries=0
    until [ -n "$("$@" 2> /dev/null)" ] || [ $tries -gt 600 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
}

# fate SIGNAL RANK OPTIONS: that rank, found beforehand, gets the signal once the first of eight images is
# there; then $status and $took are mpirun's.  Who is ended with the others is given the time to say so.  The
# limit grows with what one process takes here and now.
mkdir one
begin=$(date +%s)
# shellcheck disable=SC2046
(cd one && "$sdgen" $(draws tiny-sd15) --steps 100 --batch-count 8)
limit=$((30 + 4 * ($(date +%s) - begin)))
fate() {
    rm -rf many
    mkdir many
    # shellcheck disable=SC2086,SC2046
    (cd many && exec timeout 300 mpirun --oversubscribe --mca odls_base_sigkill_timeout 10 $3 -n 3 \
        "$sdgen" $(draws tiny-sd15) --steps 100 --batch-count 8 --mpi --mpi-timeout 2 > ../log 2>&1 < /dev/null) &
    pid=$!
    await ranks_there "$2"
    rank=$(ranks_there "$2")
    await find many -name '*.png'
    kill "-$1" $rank
    begin=$(date +%s)
    wait $pid
    status=$?
    took=$(($(date +%s) - begin))
}

# told NAME PATTERN: one line says so, in time, and nothing is half written.
told() {
    ok=true
    [ "$(grep -c "$2" log)" -eq 1 ] && [ $took -le $limit ] && [ $status -ne 124 ] || ok=false
    for file in many/* many/.[!.]*; do
        [ ! -e "$file" ] || cmp -s "$file" "one/${file#many/}" || ok=false
    done
    report $ok "$1" "status $status, $took s, $(ls -A many | tr '\n' ' '): $(cat log)"
}
all_there() {
    ok=true
    diff -r one many > /dev/null || ok=false
    report $ok "$1: the others draw its images" "$(ls -A many | tr '\n' ' '): $(cat log)"
}
fate KILL 1 --enable-recovery
told 'a rank is killed' 'rank 1 was not heard of for 2 s'
all_there 'a rank is killed'
fate STOP 1 ''
told 'a rank stands still' 'rank 1 was not heard of for 2 s'
all_there 'a rank stands still'
fate KILL 0 --enable-recovery
told 'rank 0 is killed' 'rank 1: error: MPI: rank 0 was not heard of for 2 s'
# Unless the others were done before it did.
fate KILL 1 ''
line='rank 0: warning: MPI: not drawn: '
! diff -r one many > /dev/null || line='rank 1 was not heard of for 2 s'
told 'Open MPI ends all where one is killed' "$line"
# Two machines: network namespaces, and between them a link of 1 Gbit/s and 1 ms, or where this kernel
# delays nothing, of 100 Mbit/s.
here=sdrt-$$-a there=sdrt-$$-b
trap '{ ip netns del $here; ip netns del $there; } 2> /dev/null; rm -rf "$work"' EXIT
link() {
    ip netns add $here && ip netns add $there &&
        ip link add va$$ netns $here type veth peer name vb$$ netns $there &&
        ip netns exec $here sh -c "ip address add 10.97.0.1/24 dev va$$ && ip link set va$$ up && ip link set lo up" &&
        ip netns exec $there sh -c "ip address add 10.97.0.2/24 dev vb$$ && ip link set vb$$ up && ip link set lo up"
}
shape() {
    ip netns exec "$1" tc qdisc add dev "$2" root netem delay 1ms rate 1gbit ||
        ip netns exec "$1" tc qdisc add dev "$2" root tbf rate 100mbit burst 32kbit latency 400ms
}
if ! link > log 2>&1; then
    skip "two network namespaces ($(tail -1 log))"
    finish
    exit
fi
shape $here va$$ > log 2>&1 && shape $there vb$$ >> log 2>&1 || skip "a slow link ($(tail -1 log))"
printf '10.97.0.1 slots=1\n10.97.0.2 slots=1\n' > hosts
# How Open MPI starts what is to run on the other one.
printf '#!/bin/sh\nshift\nexec ip netns exec %s sh -c "$*"\n' $there > agent
chmod +x agent
rm -rf one many
for way in images guidance rows; do
    mkdir one many
    ok=true count=3
    [ $way != rows ] || count=1 # of more, a pixel may be rounded otherwise
    # shellcheck disable=SC2046
    (cd one && "$sdgen" $(draws tiny-sdxl) --isa generic --batch-count $count) || ok=false
    # shellcheck disable=SC2046
    (cd many && timeout 300 ip netns exec $here mpirun --hostfile ../hosts --mca plm_rsh_agent "$work/agent" \
        --mca btl tcp,self --mca btl_tcp_if_include 10.97.0.0/24 --mca oob_tcp_if_include 10.97.0.0/24 \
        -n 2 "$sdgen" $(draws tiny-sdxl) --isa generic --batch-count $count --mpi=$way) > log 2>&1 < /dev/null ||
        ok=false
    diff -r one many >> log 2>&1 || ok=false
    report $ok "$way between two namespaces" "$(head -5 log)"
    rm -r one many
done
finish
