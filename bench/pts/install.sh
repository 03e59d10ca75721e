#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Run by the Phoronix Test Suite in the test's folder, beside the tarball; without network.

tar -xf sdrt-*.tar.xz || exit 1
cd sdrt-*/ || exit 1
mkdir build
cd build || exit 1
../configure --quiet --with-cuda=no --without-onednn --disable-shared --enable-static &&
    make -s -j "${NUM_CPU_CORES:-1}" sdbench
echo $? > ~/install-exit-status
cd ~ || exit 1

# The last line of the score, a figure a line; no line where the score is not valid.
cat > sdrt << 'RUN'
#!/bin/sh
sdbench=$(echo sdrt-*/build/sdbench)
# shellcheck disable=SC2086 # a list of options
$sdbench score $* > score.txt 2>&1
status=$?
sed -n '/^sdbench-score /{
    s/images_per_minute=/\
Images a minute: /
    s/ step_s=/\
U-Net step: /
    s/ vae_s=/\
VAE: /
    s/ sdxl_step_s=/\
SDXL step: /
    p
}' score.txt | sed -n 's/^\([A-Z][-A-Za-z ]*: [0-9][0-9.]*\).*/\1/p' > "$LOG_FILE"
cat score.txt >> "$LOG_FILE"
echo $status > ~/test-exit-status
RUN
chmod +x sdrt
