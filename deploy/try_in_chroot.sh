#!/usr/bin/env bash
# Runs the Dockerfile's own commands without a container engine: in a fresh Debian made by
# debootstrap, as root. Then it starts what came of it as the image would, as process 1 and as the
# image's user, speaks through it, and stops it. See docs/containers.md.
set -euo pipefail

usage() {
    cat <<'END'
deploy/try_in_chroot.sh [--target light|cpu] [--build-arg NAME=VALUE]... [--models FOLDER]
                        [--debian FOLDER] [--lend PATH]...
  --models FOLDER  takes the place of the volume /models
  --debian FOLDER  that debootstrap made before, to copy rather than wait for a fresh one
  --lend PATH      of this machine is seen at the same place during the installation: the
                   configuration of pip and uv, say, and folders with packages that it names
The variables PIP_*, UV_* and SSL_CERT_FILE are handed to the installation, as an engine would not.
END
    exit 2
}

target=light models='' debian='' arguments=() lent=()
while [ $# -gt 0 ]; do
    [ $# -gt 1 ] || usage
    case $1 in
        --target) target=$2 ;;
        --build-arg) arguments+=("$2") ;;
        --models) models=$2 ;;
        --debian) debian=$2 ;;
        --lend) lent+=("$2") ;;
        *) usage ;;
    esac
    shift 2
done
[ "$(id -u)" = 0 ] || { echo "Only root can chroot." >&2; exit 1; }
cd "$(dirname "$0")/.."

say() { echo "== $*" >&2; }
fail() { echo "!! $*" >&2; exit 1; }

roots=$(mktemp -d /var/tmp/try-in-chroot.XXXXXX)
chmod 755 "$roots"
server='' mounted=()
clean_up() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    wait
    unmount
    rm -rf --one-file-system "$roots"
}
unmount() {
    local i
    for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do umount "${mounted[i]}"; done
    mounted=()
}
trap clean_up EXIT

# mount_in ROOT PATH-THERE OPTIONS...
mount_in() {
    local place=$1$2
    mount "${@:3}" "$place"
    mounted+=("$place")
}

# The image python:3.11-slim-bookworm is Debian 12 with its own Python under /usr/local;
# Debian 12's is of the same minor version.
debian() {
    local suite
    [[ $1 =~ ^python:3\.11-slim-(bookworm)$ ]] || fail "no Debian known that is like $1"
    suite=${BASH_REMATCH[1]}
    say "Debian $suite in place of $1"
    if [ -n "$debian" ]; then
        cp -a --reflink=auto "$debian" "$roots/debian"
    else
        debootstrap --variant=minbase --include=ca-certificates,python3-minimal,python3-venv \
            "$suite" "$roots/debian" >"$roots/debootstrap.log" 2>&1 ||
            { tail -n 5 "$roots/debootstrap.log" >&2; fail "debootstrap"; }
    fi
    ln -s /usr/bin/python3 "$roots/debian/usr/local/bin/python"
}

# from STAGE BASE
from() {
    say "from $2 as $1"
    if [ -d "$roots/$2" ]; then
        cp -a --reflink=auto "$roots/$2" "$roots/$1"
    else
        debian "$2"
        mv "$roots/debian" "$roots/$1"
    fi
}

# run STAGE FOLDER COMMAND VARIABLE=VALUE...
run() {
    local root=$roots/$1 path
    say "run $3"
    mkdir -p "$root$2"
    mount_in "$root" /proc -t proc proc
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    for path in "${lent[@]}"; do
        if [ -d "$path" ]; then mkdir -p "$root$path"; else
            mkdir -p "$root${path%/*}"
            [ -e "$root$path" ] || touch "$root$path"
        fi
        mount_in "$root" "$path" --bind -o ro "$path"
    done
    chroot "$root" /usr/bin/env -i HOME=/root "${installation[@]}" "${@:4}" \
        /bin/sh -c "cd '$2' && $3" >&2
    unmount
}

# copy STAGE SOURCE-STAGE-OR-NOTHING DESTINATION SOURCE...
copy() {
    local source place=$roots/$1$3 context=.
    say "copy ${*:4} to $3"
    [ -z "$2" ] || context=$roots/$2
    for source in "${@:4}"; do
        if [ -d "$context/$source" ]; then
            mkdir -p "$place"
            cp -a "$context/$source/." "$place"
        else
            if [[ $place = */ ]]; then mkdir -p "$place"; fi
            cp -a "$context/$source" "$place"
        fi
    done
    [ -n "$2" ] || {
        find "$place" -name __pycache__ -prune -exec rm -rf {} + # as .dockerignore does
        chown -R 0:0 "$place"
    }
}

# An image starts its program in its folder, which chroot knows nothing of.
# shellcheck disable=SC2016 # it is for the shell in there
in_folder='cd "$1" && shift && exec "$@"'

# What `docker run` would do, into the array `program`: process 1 of its own, as the image's user.
# An array, so that what is started in the background is unshare itself, and $! its number.
# as_image VARIABLE=VALUE... -- ARGUMENT...
as_image() {
    local variables=()
    while [ "$1" != -- ]; do variables+=("$1") && shift; done
    shift
    program=(unshare --pid --fork --kill-child=KILL chroot --userspec="$user" "$root"
        /usr/bin/env -i "HOME=$home" "${environment[@]}" "${variables[@]}"
        /bin/sh -c "$in_folder" sh "$folder" "${entrypoint[@]}" "$@")
}

is_healthy() {
    chroot --userspec="$user" "$root" /usr/bin/env -i "HOME=$home" "${environment[@]}" \
        "VOICE_PORT=$port" /bin/sh -c "$in_folder" sh "$folder" \
        "${healthcheck[@]}" 2>"$roots/health"
}

mapfile -t installation < <(env | grep -E '^(PIP_|UV_|SSL_CERT_FILE=)' || true)

steps=$(python3 deploy/dockerfile.py "$target" "${arguments[@]}")
environment=() user='' folder='' entrypoint=() healthcheck=()
eval "$steps"

root=$roots/$target
home=$(chroot "$root" getent passwd "${user%%:*}" | cut -d: -f6)
say "the image holds $(du -sh --exclude=./proc "$root" | cut -f1), of which packages" \
    "$(du -sh "$root/opt/venv" | cut -f1)"
mount_in "$root" /proc -t proc proc
mount_in "$root" /dev -t tmpfs tmpfs
for device in null zero random urandom; do
    touch "$root/dev/$device"
    mount_in "$root" "/dev/$device" --bind "/dev/$device"
done
[ -z "$models" ] || mount_in "$root" /models --bind -o ro "$models"

port=$(python3 -c 'import socket; s = socket.create_server(("", 0)); print(s.getsockname()[1])')
key=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')
url=http://127.0.0.1:$port

say "without a key it refuses to start"
as_image "VOICE_PORT=$port" --
if "${program[@]}" 2>"$roots/log"; then fail "it started"; fi
grep VOICE_API_KEYS "$roots/log" || { cat "$roots/log"; fail "it did not say why"; }

say "check"
as_image -- check
"${program[@]}" || fail "check"

say "it starts, as user $user and process 1"
as_image "VOICE_PORT=$port" "VOICE_API_KEYS=$key" --
"${program[@]}" 2>"$roots/log" &
server=$!
for ((second = 0; ; second++)); do
    ! is_healthy || break
    if [ "$second" = 120 ] || ! kill -0 "$server" 2>/dev/null; then
        cat "$roots/log" "$roots/health"
        fail "not ready after $second s"
    fi
    sleep 1
done
say "ready after about $second s: the image's HEALTHCHECK says so"
python=$(cat "/proc/$server/task/$server/children")
python=${python%% *}
grep -E '^(Uid|Gid|NSpid):' "/proc/$python/status"
grep -qE "^Uid:.${user%%:*}.${user%%:*}." "/proc/$python/status" || fail "the wrong user"
grep -qE '^NSpid:.*[^0-9]1$' "/proc/$python/status" || fail "not process 1"

say "it can write where it should, and nowhere else"
chroot --userspec="$user" "$root" find / -xdev -type d -writable >"$roots/writable" 2>/dev/null || true
grep -vE '^/(proc|dev)(/|$)' "$roots/writable" | tr '\n' ' ' && echo
! grep -E '^/(app|opt|usr|etc)' "$roots/writable" || fail "it can write there"

say "it speaks, to who has the key"
speak() { curl -sS --max-time 120 -H 'Content-Type: application/json' "$@" "$url/api/speak"; }
text='{"text": "This sentence was spoken in a fresh root folder."}'
status=$(speak -d "$text" -o /dev/null -w '%{http_code}')
[ "$status" = 401 ] || fail "status $status without a key"
speak -d "$text" -H "Authorization: Bearer $key" -o "$roots/speech.wav" --fail
python3 - "$roots/speech.wav" <<'END'
import array
import sys
import wave

with wave.open(sys.argv[1]) as wav:
    samples = array.array("h", wav.readframes(wav.getnframes()))
    seconds = len(samples) / wav.getframerate()
print(f"{seconds:.1f} s of sound, the loudest sample {max(map(abs, samples))} of 32767")
sys.exit(seconds < 1 or max(map(abs, samples)) < 1000)
END

say "SIGTERM to process 1 ends it"
kill -TERM "$python"
status=0
wait "$server" || status=$?
server=''
cat "$roots/log"
[ "$status" = 0 ] || fail "it ended with $status"
say "good: target $target"
