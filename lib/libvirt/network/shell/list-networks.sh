# shellcheck shell=sh
# Prints each libvirt network as "network NAME yes|no BRIDGE", then each bridge as "bridge NAME".
# $1: libvirt URI

names=$(virsh -q -c "$1" net-list --all --name) || exit
printf '%s\n' "$names" | while IFS= read -r name; do
  [ -n "$name" ] || continue
  virsh -q -c "$1" net-info --network "$name" | {
    bridge='' active=''
    while read -r key value; do
      case $key in
        Active:) active=$value ;;
        Bridge:) bridge=$value ;;
      esac
    done
    echo "network $name $active $bridge"
  }
done
for dir in /sys/class/net/*/bridge; do
  [ -d "$dir" ] || continue
  dir=${dir%/bridge}
  echo "bridge ${dir##*/}"
done
