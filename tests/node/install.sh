#!/usr/bin/env bash
# Installs `ws` for the Node client's test, and Node itself where it is missing and can be had.
set -euo pipefail
cd "$(dirname "$0")"

give_up() {
    echo "The Node client's test will be skipped: Node.js is missing and $1." >&2
    exit 0
}

if ! command -v npm >/dev/null; then
    command -v apt-get >/dev/null || give_up "there is no apt-get to install it with"
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || give_up "only root can run: apt-get install nodejs npm"
        as_root=(sudo -n)
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends nodejs npm >/dev/null
fi

npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
touch node_modules/.stamp
