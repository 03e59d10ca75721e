#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The profile of the Phoronix Test Suite, without the suite: it is installed from a tarball that holds a
# stand-in for sdbench, run, and what it logs has the figures that results-definition.xml looks for.
set -u
. "${srcdir-.}/tests/support.sh"

root=$(cd "${srcdir-.}" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

mkdir sdrt-0.1.0 home
cat > sdrt-0.1.0/configure << 'SH'
#!/bin/sh
cat > Makefile << 'MK'
sdbench: ; cp ../stand-in sdbench
MK
SH
cat > sdrt-0.1.0/stand-in << 'SH'
#!/bin/sh
echo "machine: $*"
[ "$2" != --fail ] || { echo 'sdbench: error: no score'; exit 1; }
echo 'sdbench-score 1: images_per_minute=0.441 text_s=0.0950 step_s=6.280 vae_s=10.200 sdxl_step_s=n/a isa=avx512 precision=f32 threads=2'
SH
chmod +x sdrt-0.1.0/configure sdrt-0.1.0/stand-in
tar -cJf sdrt-0.1.0.tar.xz sdrt-0.1.0

"$root/bench/pts/make-profile.sh" sdrt-0.1.0.tar.xz profiles > made 2>&1
profile=$work/profiles/sdrt-1.0.0
ok=true
grep -q "<SHA256>$(sha256sum < sdrt-0.1.0.tar.xz | cut -d' ' -f1)<" "$profile/downloads.xml" || ok=false
report $ok 'the profile names the tarball' "$(cat made)"
for file in test-definition results-definition downloads; do
    if command -v xmllint > /dev/null 2>&1; then
        ok=true
        xmllint --noout "$profile/$file.xml" 2> err || ok=false
        report $ok "$file.xml is XML" "$(head -3 err)"
    else skip "$file.xml is XML (no xmllint)"
    fi
done

cp sdrt-0.1.0.tar.xz home
cd home || exit 1
HOME=$work/home sh "$profile/install.sh" > ../install.log 2>&1
ok=true
[ "$(cat install-exit-status)" = 0 ] && [ -x sdrt ] || ok=false
report $ok 'it installs' "$(tail -3 ../install.log)"
HOME=$work/home LOG_FILE=$work/log ./sdrt --precision f32
for line in 'Images a minute: 0.441' 'U-Net step: 6.280' 'VAE: 10.200'; do
    ok=true
    grep -qx "$line" ../log || ok=false
    report $ok "the log has $line" "$(cat ../log)"
    ok=true
    grep -q "<OutputTemplate>${line%%:*}: #_RESULT_#</OutputTemplate>" "$profile/results-definition.xml" ||
        ok=false
    report $ok "and ${line%%:*} is looked for"
done
ok=true
grep -q '^SDXL step' ../log && ok=false
report $ok 'what was left out is no figure' "$(cat ../log)"
ok=true
grep -q 'machine: score --precision f32' ../log && [ "$(cat test-exit-status)" = 0 ] || ok=false
report $ok 'options reach it' "$(cat ../log)"
HOME=$work/home LOG_FILE=$work/log ./sdrt --fail
ok=true
[ "$(cat test-exit-status)" = 1 ] && ! grep -q '^Images' ../log || ok=false
report $ok 'without a score it fails' "$(cat ../log)"

finish
