# shellcheck shell=sh
# Prints the console file $2, preceded by what libvirt's log daemon has rotated out of it ($2.0 is the newest). Of a
# long console, prints the first and the last $3 bytes. Exits with 10 if there is no such file.
# $1: libvirt URI (unused)

[ -f "$2" ] || exit 10
all() {
  for file in "$1.2" "$1.1" "$1.0" "$1"; do
    [ ! -f "$file" ] || cat "$file"
  done
}
size=$(all "$2" | wc -c)
if [ "$size" -le $(($3 + $3)) ]; then
  all "$2"
else
  all "$2" | head -c "$3"
  printf '\n[... %s bytes of this console are left out ...]\n' "$((size - $3 - $3))"
  all "$2" | tail -c "$3"
fi
exit 0
