import { FINGERPRINT } from '../programs/common.ts';
import { DESCRIBE, HAS_SPACE } from '../programs/file.ts';

/**
 * The fixed POSIX sh programs that bring an image's files to a worker. They may take long, so they run as scripts: data
 * comes as environment, and they end with their caller. A line that begins with `@` is for the program that reads; all
 * else is what a command said.
 */

/** How FETCH ends where it says why. */
export const FETCH_EXIT = {
  noCurl: 40,
  refused: 41,
  gaveUp: 42,
  write: 43,
  checksum: 44,
  noFile: 45,
  changing: 46,
  machine: 47,
  full: 48,
  tooLarge: 49,
  noTool: 50,
  damaged: 51,
} as const;

/**
 * Downloads URL to DIR/.download, or copies FROM there (URL empty), with what it was like in DIR/.source (see COPY). ALGORITHM and SUM: what it must have, or empty.
 * MACHINES: what `uname -m` may print for the image to boot here, separated by spaces, or empty. MAX_MIB: the most that
 * is taken. A download that broke off is resumed if the server says that it still has the same file (If-Range,
 * RFC 9110 13.1.5).
 *
 *     @machine NAME       as `uname -m` prints it
 *     @at HAVE TOTAL      bytes; TOTAL 0 where unknown
 *     @try N              the try that begins
 *     @code N             the server's last answer
 *     @checking
 *     @sum HEX            the checksum that was found, if it is another
 *     @intact             the file is known to be complete
 *     @size …             and more, as DESCRIBE prints it
 */
export const FETCH = `
set -u
umask 022
LC_ALL=C TZ=UTC0 PATH=$PATH:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL TZ PATH
part=$DIR/.download head=$DIR/.headers validator=$DIR/.validator error=$DIR/.error
pid=$DIR/.curl stopped=$DIR/.stopped
${HAS_SPACE}${DESCRIBE}${FINGERPRINT}
machine=$(uname -m)
echo "@machine $machine"
case " $MACHINES " in
  '  ' | *" $machine "*) ;;
  *) exit ${FETCH_EXIT.machine} ;;
esac
have() { stat -c %s "$part" 2>/dev/null || echo 0; }
# Of redirects, the last answer counts.
header() {
  tr -d '\\r' <"$head" | awk -v name="$1:" '
    /^HTTP\\// { found = "" }
    tolower($1) == name { $1 = ""; found = substr($0, 2) }
    END { print found }'
}
total() {
  range=$(header content-range)
  case $range in
    */[0-9]*) echo "\${range##*/}" ;;
    *) length=$(header content-length); echo "\${length:-0}" ;;
  esac
}
report() { echo "@at $(have) $(total)"; }
# Why a download has to end that no limit of curl ends: not every server tells a length.
check_room() {
  if [ "$(have)" -gt "$((MAX_MIB * 1048576))" ]; then
    echo ${FETCH_EXIT.tooLarge} >"$stopped"
  elif ! has_space 0; then
    echo ${FETCH_EXIT.full} >"$stopped"
  else
    return 0
  fi
  kill "$(cat "$pid")" 2>/dev/null
}
remember() {
  tag=$(header etag)
  case $tag in '"'*) ;; *) tag=$(header last-modified) ;; esac
  [ -z "$tag" ] || printf '%s' "$tag" >"$validator"
}
fetch() {
  command -v curl >/dev/null || exit ${FETCH_EXIT.noCurl}
  try=0
  rm -f "$stopped"
  while :; do
    try=$((try + 1))
    echo "@try $try"
    set --
    if [ -s "$validator" ]; then
      set -- --header "If-Range: $(cat "$validator")"
    elif [ "$try" = 1 ]; then
      rm -f "$part"
    fi
    [ "$(have)" -gt 0 ] || set --
    : >"$head"
    (
      exec 3>&1 >/dev/null
      while sleep 0.5; do
        report >&3
        check_room
      done
    ) &
    reporter=$!
    code=$(curl --silent --show-error --fail --location --globoff --proto '=http,https' --connect-timeout 20 \\
      --speed-limit 1024 --speed-time 60 --continue-at - --max-filesize "$((MAX_MIB * 1048576))" \\
      --dump-header "$head" --output "$part" --write-out '%{http_code}' "$@" --url "$URL" 2>"$error" &
      echo $! >"$pid"
      wait $!)
    result=$?
    kill "$reporter" 2>/dev/null
    [ ! -s "$stopped" ] || exit "$(cat "$stopped")"
    [ "$result" != 63 ] || exit ${FETCH_EXIT.tooLarge}
    case $code in 200 | 206) remember ;; esac
    [ "$result" = 0 ] && break
    if [ "$code" = 416 ] && [ "$(have)" -gt 0 ] && [ "$(have)" = "$(total)" ]; then break; fi
    report
    cat "$error"
    # It has no ranges, or another file by now.
    if [ "$result" = 33 ] || [ "$code" = 416 ]; then rm -f "$part" "$validator"; fi
    if [ "$result" = 23 ]; then
      # curl does not say why it could not write.
      dd if=/dev/zero of="$part.probe" bs=1048576 count=1 conv=fsync 2>&1
      rm -f "$part.probe"
      exit ${FETCH_EXIT.write}
    fi
    case $code in
      408 | 416 | 425 | 429) ;;
      4*) echo "@code $code"; exit ${FETCH_EXIT.refused} ;;
    esac
    [ "$try" -lt 3 ] || { echo "@code $code"; exit ${FETCH_EXIT.gaveUp}; }
    sleep "$try"
  done
  report
  [ "$(total)" = 0 ] || [ "$(total)" != "$(have)" ] || echo @intact
}
if [ -n "$URL" ]; then
  fetch
else
  [ -f "$FROM" ] || exit ${FETCH_EXIT.noFile}
  was=$(fingerprint "$FROM")
  cp --reflink=auto --sparse=auto -- "$FROM" "$part" || exit ${FETCH_EXIT.write}
  [ "$(fingerprint "$FROM")" = "$was" ] || exit ${FETCH_EXIT.changing}
  printf 'source %s\\nfrom %s\\n' "$was" "$FROM" >"$DIR/.source" || exit ${FETCH_EXIT.write}
fi
if [ -n "$SUM" ]; then
  echo @checking
  sum=$("$ALGORITHM"sum <"$part")
  sum=\${sum%% *}
  if [ "$sum" != "$SUM" ]; then
    rm -f "$part" "$validator"
    echo "@sum $sum"
    exit ${FETCH_EXIT.checksum}
  fi
  echo @intact
fi
describe "$part"
`;

/**
 * Copies the disks of the folder FROM to DIR; a link becomes the file that it leads to. What they were like is kept in
 * DIR/.source, as common-program.ts reads it.
 */
export const COPY = `
set -u
umask 022
LC_ALL=C TZ=UTC0 PATH=$PATH:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL TZ PATH
${FINGERPRINT}
[ -d "$FROM" ] || exit ${FETCH_EXIT.noFile}
was=$(fingerprint "$FROM")
for file in "$FROM"/[hsv]d[a-z] "$FROM"/[hsv]d[a-z].* "$FROM"/xvd[a-z] "$FROM"/xvd[a-z].*; do
  [ -f "$file" ] || continue
  cp -L --preserve=mode,timestamps --reflink=auto --sparse=auto -- "$file" "$DIR/" || exit ${FETCH_EXIT.write}
done
[ "$(fingerprint "$FROM")" = "$was" ] || exit ${FETCH_EXIT.changing}
printf 'source %s\\nfrom %s\\n' "$was" "$FROM" >"$DIR/.source" || exit ${FETCH_EXIT.write}
`;

/** Makes of DIR/.download the disk DIR/vda.qcow2. FORMAT: what it is; SIZE: bytes to grow it to, or empty. */
export const FINISH = `
umask 022
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
part=$DIR/.download
if [ "$FORMAT" = qcow2 ]; then
  [ -z "$SIZE" ] || qemu-img resize -q -f qcow2 "$part" "$SIZE" || exit 1
  mv -f "$part" "$DIR/vda.qcow2" || exit 1
else
  trap 'rm -f "$DIR/.converted"' EXIT
  qemu-img convert -f "$FORMAT" -O qcow2 "$part" "$DIR/.converted" || exit 1
  [ -z "$SIZE" ] || qemu-img resize -q -f qcow2 "$DIR/.converted" "$SIZE" || exit 1
  mv -f "$DIR/.converted" "$DIR/vda.qcow2" || exit 1
fi
`;
