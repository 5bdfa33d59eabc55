#!/usr/bin/env bash
# Installs Chromium for the tests of the page, where it is missing and can be had.
set -euo pipefail
cd "$(dirname "$0")"

for name in chromium chromium-browser google-chrome; do # as browser.py looks for it
    command -v "$name" >/dev/null && exit 0
done
../apt_install.sh chromium || {
    [ $? = 69 ] || exit 1
    echo "The tests of the page will be skipped." >&2
}
