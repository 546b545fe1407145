# shellcheck shell=sh
# Looks for the cause of a fault. $1: the place; $2: a command that must be there; $3: the kind of file system that the
# place must have, or nothing. Prints the cause as one word, and details.

LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
command -v "$2" >/dev/null || { echo "command $2"; exit; }
root=$1
case $1 in
  /*) ;;
  *) root=$(zfs get -H -o value mountpoint "$1" 2>/dev/null) || { echo place; exit; } ;;
esac
case $root in
  /*) ;;
  *) echo unmounted; exit ;;
esac
[ -d "$root" ] || { echo place; exit; }
kind=$(stat -f -c %T "$root")
[ -z "$3" ] || [ "$kind" = "$3" ] || { echo "kind $kind"; exit; }
[ "$(id -u)" = 0 ] || { echo "user $(id -un)"; exit; }
probe=$root/.recheck-probe
said=$(dd if=/dev/zero of="$probe" bs=65536 count=4 conv=fsync 2>&1) || echo "write $said"
rm -f "$probe"
