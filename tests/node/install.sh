#!/usr/bin/env bash
# Installs what the tests with Node need: `ws`, `prism-media`, by which Discord bots read Ogg, the
# clients of other services, and `@discordjs/voice`, whose player one of the examples uses; and Node
# itself where it is missing and can be had.
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v npm >/dev/null; then
    ../apt_install.sh nodejs npm || {
        [ $? = 69 ] || exit 1
        echo "The tests with Node will be skipped." >&2
        exit 0
    }
fi

npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
touch node_modules/.stamp
