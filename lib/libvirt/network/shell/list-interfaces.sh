# shellcheck shell=sh
# Prints the interfaces of each running domain, preceded by the name of the domain and a tab.
# $1: libvirt URI

names=$(virsh -q -c "$1" list --name) || exit
printf '%s\n' "$names" | while IFS= read -r name; do
  [ -n "$name" ] || continue
  virsh -q -c "$1" domiflist --domain "$name" 2>/dev/null | while IFS= read -r row; do
    printf '%s\t%s\n' "$name" "$row"
  done
done
