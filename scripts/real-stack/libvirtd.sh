#!/bin/bash
# Starts or stops the sandbox's libvirtd. Guests keep running while it is stopped, as on a real worker.
#
#   libvirtd.sh start|stop
set -euo pipefail
pid_file=$STACK/libvirtd.pid

case $1 in
  start)
    libvirtd -d -p "$pid_file"
    for _ in $(seq 100); do
      virsh -q list >/dev/null 2>&1 && exit
      sleep 0.05
    done
    echo "libvirtd does not answer" >&2
    exit 1
    ;;
  stop)
    pid=$(cat "$pid_file")
    kill "$pid"
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || exit 0
      sleep 0.05
    done
    echo "libvirtd does not end" >&2
    exit 1
    ;;
esac
