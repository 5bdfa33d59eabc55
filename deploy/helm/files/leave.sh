#!/bin/sh
# Leave without losing anybody: leave.sh PID SETTLE_S DRAIN_S PORT...
#
# While a pod ends, the proxies in front of it learn of that one after the other. Until all have,
# newcomers are served as before. Only then the server drains (SIGUSR1): it takes no newcomers, and
# who talks may come to an end. This returns once no connection is left at the ports, or after
# DRAIN_S; then the kubelet sends SIGTERM.
set -u
pid=$1 settle_s=$2 drain_s=$3
shift 3

# A line of these tables: NUMBER: LOCAL:PORT REMOTE:PORT STATE, and 01 is an established connection.
is_anybody_left() {
    for port in "$@"; do
        line="^ *[0-9]*: [0-9A-F]*:$(printf %04X "$port") [0-9A-F:]* 01 "
        grep -qs "$line" /proc/net/tcp /proc/net/tcp6 && return 0
    done
    return 1
}

sleep "$settle_s"
kill -USR1 "$pid"
waited_s=0
while [ "$waited_s" -lt "$drain_s" ] && is_anybody_left "$@"; do
    sleep 1
    waited_s=$((waited_s + 1))
done
