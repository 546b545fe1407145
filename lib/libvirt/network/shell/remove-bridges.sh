# shellcheck shell=sh
# Removes the bridges with alias $2 and so on that have no ports, each after its rule: what an interrupted removal
# leaves is found by the bridge. Preceded by bridge-rule.sh.
# $1: libvirt URI (unused)

shift
for alias; do
  for file in /sys/class/net/*/ifalias; do
    [ "$(cat "$file" 2>/dev/null)" = "$alias" ] || continue
    dir=${file%/ifalias}
    [ -z "$(ls "$dir/brif" 2>/dev/null)" ] || continue
    name=${dir##*/}
    if has_rule "$name"; then rule "$name" -D || ! has_rule "$name" || exit; fi
    ip link delete dev "$name" || [ ! -e "$dir" ] || exit
  done
done
