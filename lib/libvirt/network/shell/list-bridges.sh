# shellcheck shell=sh
# Prints "NAME ALIAS" for each bridge that has an alias.

for file in /sys/class/net/*/ifalias; do
  dir=${file%/ifalias}
  alias=$(cat "$file" 2>/dev/null)
  [ -z "$alias" ] || [ ! -d "$dir/bridge" ] || echo "${dir##*/} $alias"
done
