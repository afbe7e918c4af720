#!/bin/sh
# Make the Debian package of this checkout, from the same files that install.sh takes.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
. "$here/version.sh"

usage() {
    cat <<'USAGE'
usage: build_deb.sh [--wheels DIR] [--wheel FILE] [--out DIR] [--python PYTHON]

  --wheels DIR  carry all that affect-edge needs, as wheels of one architecture and one Python: the package is for
                those, and needs no network. Without it, it is for all, and pip fetches what it needs when it is
                installed, from the index that /etc/pip.conf names.
  --wheel FILE  affect-edge itself (default: made of this checkout)
  --out DIR     where the package goes (default: dist)

$DEBFULLNAME and $DEBEMAIL say who maintains it.
USAGE
}

wheel="" wheels="" carried="" out="$here/../dist" python=""
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage && exit 0 ;;
    --wheels | --wheel | --out | --python) [ $# -ge 2 ] || fail "$1 needs a value; see build_deb.sh --help" ;;
    *) fail "unknown option $1; see build_deb.sh --help" ;;
    esac
    case $1 in
    --wheels) carried=$2 ;;
    --wheel) wheel=$2 ;;
    --out) out=$2 ;;
    --python) python=$2 ;;
    esac
    shift 2
done
command -v dpkg-deb >/dev/null || fail "dpkg-deb is missing; packages are built on Debian"
found_python=${python:-python3}
[ -z "$carried" ] || [ -d "$carried" ] || fail "--wheels: there is no folder $carried"

trap clean_up EXIT
trap 'exit 1' INT TERM HUP
temporary=$(mktemp -d)
find_wheel
if [ -z "$wheel" ]; then build_wheel; fi
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git -C "$here" log -1 --format=%ct 2>/dev/null) || SOURCE_DATE_EPOCH=$(stat -c %Y "$wheel")
fi
export SOURCE_DATE_EPOCH

architecture=all pythons="python3 (>= 3.10), python3 (<< 3.14)"
# Of the names' last parts: cp311-cp311-manylinux_2_28_aarch64.
if [ -n "$carried" ]; then
    names=$(ls "$carried")
    case $names in *_aarch64.whl*) architecture=arm64 ;; *_x86_64.whl*) architecture=amd64 ;; esac
    case "$architecture $names" in arm64*_x86_64.whl*) fail "--wheels: for more than one architecture" ;; esac
    minor=$(echo "$names" | sed -n 's/.*-cp3\([0-9]*\)-cp3[0-9]*-.*/\1/p' | sort -u)
    case $minor in
    "") fail "--wheels: there is no wheel for one Python (cp311, ...) in $carried" ;;
    *[!0-9]*) fail "--wheels: for more than one Python" ;;
    esac
    pythons="python3 (>= 3.$minor), python3 (<< 3.$((minor + 1)))"
fi

root=$temporary/root
share=$root/usr/share/affect-edge
mkdir -p "$root/DEBIAN" "$root/usr/bin" "$root/usr/lib/systemd/system" "$root/usr/lib/udev/rules.d" \
    "$root/etc/affect-edge" "$root/usr/share/doc/affect-edge" "$share/wheels" "$share/firmware_config"
for file in install.sh uninstall.sh common.sh version.sh take_portraits.py systemd udev journald config.toml; do
    cp -R "$here/$file" "$share/firmware_config/"
done
cp "$here/systemd/affect-edge.service" "$root/usr/lib/systemd/system/"
cp "$here/udev/70-affect-edge.rules" "$root/usr/lib/udev/rules.d/"
cp "$here/config.toml" "$root/etc/affect-edge/"
ln -s /opt/affect-edge/current/bin/affect-edge "$root/usr/bin/affect-edge"
cp "$wheel" "$share/wheels/"
if [ -n "$carried" ]; then
    # The demonstration's portraits are taken out of two large wheels, which nothing else needs.
    find "$carried" -name '*.whl' ! -name 'affect_edge-*' ! -name 'matplotlib-*' ! -name 'scikit_image-*' \
        -exec cp {} "$share/wheels/" \;
    export PIP_NO_INDEX=1 PIP_FIND_LINKS="$carried"
fi
"$found_python" -m venv "$temporary/portraits"
"$temporary/portraits/bin/python" "$here/take_portraits.py"
if [ -d "$temporary/portraits/share/affect-edge/demo" ]; then
    cp -R "$temporary/portraits/share/affect-edge/demo" "$share/firmware_config/"
fi
maintainer="${DEBFULLNAME:-affect-edge} <${DEBEMAIL:-root@$(hostname -f 2>/dev/null || hostname)}>"
gzip -9n >"$root/usr/share/doc/affect-edge/changelog.gz" <<CHANGELOG
affect-edge ($number) stable; urgency=medium

  * What is new is told in the project's CHANGELOG.md.

 -- $maintainer  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
CHANGELOG
cp "$here/debian/copyright" "$root/usr/share/doc/affect-edge/"
cp "$here/debian/postinst" "$here/debian/prerm" "$here/debian/postrm" "$here/debian/triggers" "$root/DEBIAN/"
(cd "$root" && find etc -type f | sed 's|^|/|' >DEBIAN/conffiles)
chmod -R u=rwX,go=rX "$root"
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm" "$root/DEBIAN/postrm"
sed -e "s|@VERSION@|$number|" -e "s|@ARCHITECTURE@|$architecture|" -e "s|@PYTHONS@|$pythons|" \
    -e "s|@SIZE@|$(du -sk "$root" | cut -f 1)|" \
    -e "s|@MAINTAINER@|$maintainer|" \
    "$here/debian/control" >"$root/DEBIAN/control"
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)

mkdir -p "$out"
package="$out/affect-edge_${number}_$architecture.deb"
# Wheels are compressed already.
dpkg-deb --root-owner-group -Zgzip -z1 --build "$root" "$package.new" >/dev/null
mv "$package.new" "$package"
echo "$package"
