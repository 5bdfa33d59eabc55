#!/usr/bin/env bash
# Installs Debian packages, where there is apt-get and it may be run; where they cannot be had, says
# so and ends with status 69, sysexits' "unavailable".
set -euo pipefail

give_up() {
    echo "Not installed: $*; $reason." >&2
    exit 69
}

reason="there is no apt-get to install it with"
command -v apt-get >/dev/null || give_up "$@"
as_root=()
if [ "$(id -u)" != 0 ]; then
    reason="only root can run: apt-get install $*"
    sudo -n true 2>/dev/null || give_up "$@"
    as_root=(sudo -n)
fi
reason="apt-get cannot"
"${as_root[@]}" apt-get update -qq || true # old lists, or those of the other sources, may do
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq -y --no-install-recommends "$@" >/dev/null || give_up "$@"
