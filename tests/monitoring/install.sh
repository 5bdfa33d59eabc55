#!/usr/bin/env bash
# Gets promtool for the tests of the alert rules, where it is missing and can be had. It is in
# Debian's package prometheus, whose installation would start a daemon: so that is unpacked into a
# folder here, for which nobody needs to be root.
set -euo pipefail
cd "$(dirname "$0")"

give_up() {
    echo "Not fetched: promtool; $1. The tests of the alert rules will be skipped." >&2
    exit 0
}

if [ -x .promtool/promtool ] || command -v promtool >/dev/null; then
    exit 0
fi
command -v apt-get >/dev/null || give_up "there is no apt-get to fetch it with"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
download() {
    (cd "$folder" && apt-get -qq -o APT::Sandbox::User=root "$@" download prometheus) 2>/dev/null
}
lists=(-o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache")
if ! download; then # the lists are old, or there are none: fetch them, for this alone
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    apt-get -qq -o APT::Sandbox::User=root "${lists[@]}" update 2>/dev/null || true
    download "${lists[@]}" || give_up "apt-get cannot download its package, prometheus"
fi
dpkg-deb -x "$folder"/prometheus_*.deb "$folder/unpacked"
mkdir -p .promtool
mv "$folder/unpacked/usr/bin/promtool" .promtool/
