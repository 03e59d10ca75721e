#!/bin/sh
# SPDX-License-Identifier: MIT
#
# CONTRIBUTING.md names files, functions and types that exist: in its tables, each function is
# defined in a file of its row.
set -u
. "${srcdir-.}/tests/support.sh"
cd "${srcdir-.}" || exit 1

# The words in backticks of a text, one a line.
quoted() {
    printf '%s\n' "$1" | grep -o '`[^`]*`' | tr -d '`'
}

# The files of a row's first cell; a bare name lies beside the one before it.
files_of() {
    folder=
    quoted "$1" | while read -r name; do
        case $name in
            */*) folder=${name%/*} ;;
            *) name=$folder/$name ;;
        esac
        echo "$name"
    done
}

check_row() {
    files=$(files_of "$(echo "$1" | cut -d'|' -f2)")
    case $files in *'<'* | '' | */) return ;; esac
    for file in $files; do
        ok=true
        [ -f "$file" ] || ok=false
        report $ok "$file" 'named in CONTRIBUTING.md: not there'
        [ -f "$file" ] || return
    done
    for function in $(quoted "$(echo "$1" | cut -d'|' -f3)" | sed -n 's/()$//p'); do
        ok=true
        # shellcheck disable=SC2086 # a list of files
        grep -qE "^[a-z].*[ *]$function\(" $files || ok=false
        report $ok "$function()" "named in CONTRIBUTING.md: not in $(echo $files)"
    done
}

rows=$(grep '^| `[a-z]*/[^|]*\.c`' CONTRIBUTING.md)
while IFS= read -r row; do check_row "$row"; done << EOF
$rows
EOF

# Outside the tables.
for file in $(quoted "$(grep -v '^|' CONTRIBUTING.md)" |
        grep -E '^(kernels|runtime|model|tools|bench|tests|build-aux)/[^<* ]*$'); do
    ok=true
    [ -e "$file" ] || ok=false
    report $ok "$file" 'named in CONTRIBUTING.md: not there'
done
types=$(quoted "$(cat CONTRIBUTING.md)" | grep -E '^(struct|enum) [a-z_0-9]*$')
while IFS= read -r type; do
    ok=true
    grep -rqE "^$type \{" kernels runtime model || ok=false
    report $ok "$type" 'named in CONTRIBUTING.md: not defined'
done << EOF
$types
EOF
finish
