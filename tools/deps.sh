#!/usr/bin/env bash
# Installs the Debian packages that building and testing need, where they are missing; names of further packages
# may be given as arguments. Silent where nothing is missing; SKIP_DEPS=1 leaves it all out.
set -euo pipefail

[ "${SKIP_DEPS:-0}" = 1 ] && exit 0

packages=(gcc libc6-dev cmake make ninja-build pkg-config
          libopenblas-openmp-dev libdnnl-dev libjansson-dev libminizip-dev zlib1g-dev libzstd-dev
          libutf8proc-dev libssl-dev libcairo2-dev libcmocka-dev "$@")

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    # Not Debian: the names are a guide, and CMake says what it really misses.
    cat <<END
tools/deps.sh: this machine has no apt-get; aedile needs, by their Debian names:
    ${packages[*]}
SKIP_DEPS=1 silences this.
END
    exit 0
fi

installed=" $(dpkg-query -W -f '${db:Status-Abbrev}${binary:Package} ' 2>/dev/null || true)"
missing=()
for package in "${packages[@]}"; do
    # binary:Package is "zlib1g-dev:amd64" where the package is Multi-Arch: same; "ii" is installed whole.
    case $installed in
    *"ii $package "* | *"ii $package:"*) ;;
    *) missing+=("$package") ;;
    esac
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "tools/deps.sh: missing: ${missing[*]}; install them as root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "Installing with apt-get: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
