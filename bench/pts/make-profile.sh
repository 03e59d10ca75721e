#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A profile of the Phoronix Test Suite for one tarball of `make dist`:
#     bench/pts/make-profile.sh TARBALL FOLDER
# writes FOLDER/sdrt-1.0.0/, whose downloads.xml names the tarball without an address, so that the suite
# looks for it in its download cache only.  Then, without network:
#     cp TARBALL ~/.phoronix-test-suite/download-cache/
#     cp -r FOLDER/sdrt-1.0.0 ~/.phoronix-test-suite/test-profiles/local/
#     phoronix-test-suite benchmark local/sdrt-1.0.0
set -eu

[ $# -eq 2 ] && [ -f "$1" ] || { echo "usage: $0 TARBALL FOLDER" >&2; exit 2; }
here=$(dirname "$0")
version=$(sed -n 's/.*<Version>\(.*\)<.*/\1/p' "$here/test-definition.xml")
profile=$2/sdrt-$version
mkdir -p "$profile"
cp "$here/test-definition.xml" "$here/results-definition.xml" "$here/install.sh" "$profile"
cat > "$profile/downloads.xml" << XML
<?xml version="1.0"?>
<PhoronixTestSuite>
  <Downloads>
    <Package>
      <MD5>$(md5sum < "$1" | cut -d' ' -f1)</MD5>
      <SHA256>$(sha256sum < "$1" | cut -d' ' -f1)</SHA256>
      <FileName>$(basename "$1")</FileName>
      <FileSize>$(wc -c < "$1" | tr -d ' ')</FileSize>
    </Package>
  </Downloads>
</PhoronixTestSuite>
XML
echo "$profile"
