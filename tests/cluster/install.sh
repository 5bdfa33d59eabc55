#!/usr/bin/env bash
# Installs HAProxy for the tests of a cluster, where it is missing and can be had. Where systemd is,
# Debian's package starts one, whose configuration has no port.
set -euo pipefail
cd "$(dirname "$0")"

PATH=$PATH:/usr/sbin:/usr/local/sbin # as balanced.py looks for it
command -v haproxy >/dev/null && exit 0
../apt_install.sh haproxy || {
    [ $? = 69 ] || exit 1
    echo "The tests of a cluster will be skipped." >&2
}
