# shellcheck shell=sh
# Whether the file system of DIR has room for $1 MiB more. A twentieth of it, at most 1 GiB, stays free: the guests' disks
# are on it too.
has_space() {
  stat -f -c '%a %b %S' "$DIR" | awk -v more="$1" '
    { keep = $2 * $3 / 20 / 1048576; if (keep > 1024) keep = 1024; exit !($1 * $3 / 1048576 >= keep + more) }'
}
