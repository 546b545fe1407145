# shellcheck shell=sh
# Prints the machine's memory and load, then the memory (KiB) and the command line of each QEMU process.

cat /proc/meminfo /proc/loadavg
# Busybox and old pgrep do not print memory.
# shellcheck disable=SC2009
ps -eo rss=,args= 2>/dev/null | grep 'qemu.*guest='
exit 0
