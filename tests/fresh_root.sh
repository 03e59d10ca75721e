#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds, checks and runs this tree's HEAD in a fresh Debian with only git in it, and says how
# long each step takes:
#     fresh_root.sh [-m MIRROR] FOLDER [STEP...]
# As root, with debootstrap, some 4 GB in FOLDER, and a network that reaches the mirror
# (http_proxy and the like are handed on).  FOLDER may be one that an earlier run made; it is
# left there.  The steps, all but the last two by default:
#     root        debootstrap into FOLDER
#     tree        a clone of HEAD in FOLDER/srv/sdrt, in place of an older one
#     run         ./bootstrap run "a red apple"
#     check       ./bootstrap check
#     readme      every command of README.md that needs no real weights
#     packages    only what ./bootstrap installs
#     sanitizers  README.md's build with sanitizers, and its tests
set -eu

say() { printf 'fresh_root: %s\n' "$*"; }
die() { say "$*" >&2; exit 2; }

mirror=http://deb.debian.org/debian
while getopts m: option; do
    case $option in
        m) mirror=$OPTARG ;;
        *) die 'usage: fresh_root.sh [-m MIRROR] FOLDER [STEP...]' ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || die 'usage: fresh_root.sh [-m MIRROR] FOLDER [STEP...]'
[ "$(id -u)" -eq 0 ] || die 'expected to be run by root'
command -v debootstrap > /dev/null || die 'expected debootstrap (apt-get install debootstrap)'
top=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
root=$(cd "$1" && pwd)
[ "$root" != / ] || die 'expected a folder other than /'
shift
[ $# -gt 0 ] || set -- root tree run check readme
failed=0

unmount() {
    for place in dev sys proc; do
        ! mountpoint -q "$root/$place" || umount -R "$root/$place" || umount -lR "$root/$place"
    done
}
trap unmount EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mount_all() {
    mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
    for place in sys dev; do
        mountpoint -q "$root/$place" && continue
        mount --rbind "/$place" "$root/$place"
        # Or the unmounting would reach the host.
        mount --make-rslave "$root/$place"
    done
    for file in resolv.conf hosts; do
        [ ! -f "/etc/$file" ] || cat "/etc/$file" > "$root/etc/$file"
    done
}

# in_root COMMANDS: in the tree, with the environment of a fresh login.
in_root() {
    mount_all
    chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        http_proxy="${http_proxy-}" https_proxy="${https_proxy-}" no_proxy="${no_proxy-}" \
        sh -c "cd /srv/sdrt && $1" < /dev/null
}

# timed NAME COMMAND...: goes on after a failure, which the script's own exit status remembers.
timed() {
    name=$1
    shift
    say "\$ $name"
    began=$(date +%s)
    status=0
    "$@" || status=$?
    [ "$status" -eq 0 ] || failed=1
    say "$name: exit status $status, $(($(date +%s) - began)) s"
}

copy_tree() {
    rm -rf "$root/srv/sdrt"
    git clone -q --depth 1 "file://$top" "$root/srv/sdrt"
}

# The blocks of commands in README.md without their comments, an empty line after each.
readme_commands() {
    awk '/^    [^ ]/ { sub(/^ +/, ""); sub(/  +# .*/, ""); print; inside = 1; next }
        inside { print ""; inside = 0 }
        END { if (inside) print "" }' "$root/srv/sdrt/README.md"
}

run_readme() {
    readme_commands > "$root/srv/commands"
    while IFS= read -r line <&3; do
        case $line in
            '') ;;
            './bootstrap '*) say "\$ $line: has its own step" ;;
            *asan* | *sanitizers*) say "\$ $line: see the step sanitizers" ;;
            *.safetensors* | *MODEL* | *'sdfetch sd'*) say "\$ $line: needs real weights" ;;
            *' compare '*)
                # Nothing has changed between the two runs that it is to compare.
                cp "$root/srv/sdrt/before.json" "$root/srv/sdrt/after.json" || true
                timed "$line" in_root "$line" ;;
            *) timed "$line" in_root "$line" ;;
        esac
    done 3< "$root/srv/commands"
}

# The block of README.md that speaks of sanitizers, as one script.
sanitizer_commands() {
    readme_commands | awk -v RS= '/sanitizers/'
}

for step; do
    case $step in
        root)
            [ ! -e "$root/etc/debian_version" ] || { say 'root: is there already'; continue; }
            timed debootstrap debootstrap --variant=minbase --include=git,ca-certificates \
                bookworm "$root" "$mirror" ;;
        tree) timed 'git clone' copy_tree ;;
        packages)
            # Everything that the command does before it builds.
            timed "$step" in_root "sed '/^install_missing\$/q' bootstrap > packages.sh &&
                sh packages.sh" ;;
        run) timed './bootstrap run "a red apple"' in_root './bootstrap run "a red apple"' ;;
        check) timed './bootstrap check' in_root './bootstrap check' ;;
        readme) run_readme ;;
        sanitizers) timed "$step" in_root "$(sanitizer_commands)" ;;
        *) die "$step: no such step" ;;
    esac
done
exit "$failed"
