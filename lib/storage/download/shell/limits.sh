# shellcheck shell=sh
# Put in front of the programs that look into the disk DIR/.download of the format FORMAT. The image is hostile, so qemu's
# programs have limits of memory (KiB) and time (s).

set -u
LC_ALL=C
export LC_ALL
# shellcheck disable=SC3045 # dash, busybox and bash have these limits.
ulimit -v 4194304
# shellcheck disable=SC3045
ulimit -t 1800
# shellcheck disable=SC2034 # Read by the programs that this file is put in front of.
PART=$DIR/.download
