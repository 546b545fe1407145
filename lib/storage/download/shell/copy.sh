# shellcheck shell=sh
# Copies the disks of the folder FROM to DIR; a link becomes the file that it points to. What they were like is written to
# DIR/.source, as ../../shell/common.sh reads it.

set -u
umask 022
LC_ALL=C TZ=UTC0 PATH=$PATH:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL TZ PATH
[ -d "$FROM" ] || exit "$EXIT_NO_FILE"
was=$(fingerprint "$FROM")
for file in "$FROM"/[hsv]d[a-z] "$FROM"/[hsv]d[a-z].* "$FROM"/xvd[a-z] "$FROM"/xvd[a-z].*; do
  [ -f "$file" ] || continue
  cp -L --preserve=mode,timestamps --reflink=auto --sparse=auto -- "$file" "$DIR/" || exit "$EXIT_WRITE"
done
[ "$(fingerprint "$FROM")" = "$was" ] || exit "$EXIT_CHANGING"
printf 'source %s\nfrom %s\n' "$was" "$FROM" >"$DIR/.source" || exit "$EXIT_WRITE"
