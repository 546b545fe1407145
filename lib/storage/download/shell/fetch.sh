# shellcheck shell=sh
# Downloads URL to DIR/.download, or copies FROM there (if URL is empty) and writes what it was like to DIR/.source (see
# copy.sh). ALGORITHM and SUM: the checksum that it must have, or empty. MACHINES: what `uname -m` may print for the image
# to boot here, separated by spaces, or empty. MAX_MIB: the largest size. A download that broke off is resumed if the
# server says that it still has the same file (If-Range, RFC 9110 13.1.5).
#
#     @machine NAME       as `uname -m` prints it
#     @at HAVE TOTAL      bytes; TOTAL 0 if unknown
#     @try N              the try that begins
#     @code N             the server's last answer
#     @checking
#     @sum HEX            the checksum that was found, if it is another
#     @intact             the file is known to be complete
#     @size …             and more, as describe.sh prints it

set -u
umask 022
LC_ALL=C TZ=UTC0 PATH=$PATH:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL TZ PATH
part=$DIR/.download head=$DIR/.headers validator=$DIR/.validator error=$DIR/.error
pid=$DIR/.curl stopped=$DIR/.stopped
machine=$(uname -m)
echo "@machine $machine"
case " $MACHINES " in
  '  ' | *" $machine "*) ;;
  *) exit "$EXIT_MACHINE" ;;
esac
have() { stat -c %s "$part" 2>/dev/null || echo 0; }
# Of redirects, the last answer counts.
header() {
  tr -d '\r' <"$head" | awk -v name="$1:" '
    /^HTTP\// { found = "" }
    tolower($1) == name { $1 = ""; found = substr($0, 2) }
    END { print found }'
}
total() {
  range=$(header content-range)
  case $range in
    */[0-9]*) echo "${range##*/}" ;;
    *) length=$(header content-length); echo "${length:-0}" ;;
  esac
}
report() { echo "@at $(have) $(total)"; }
# Ends a download that no limit of curl would end: not every server sends a length.
check_room() {
  if [ "$(have)" -gt "$((MAX_MIB * 1048576))" ]; then
    echo "$EXIT_TOO_LARGE" >"$stopped"
  elif ! has_space 0; then
    echo "$EXIT_FULL" >"$stopped"
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
  command -v curl >/dev/null || exit "$EXIT_NO_CURL"
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
    code=$(curl --silent --show-error --fail --location --globoff --proto '=http,https' --connect-timeout 20 \
      --speed-limit 1024 --speed-time 60 --continue-at - --max-filesize "$((MAX_MIB * 1048576))" \
      --dump-header "$head" --output "$part" --write-out '%{http_code}' "$@" --url "$URL" 2>"$error" &
      echo $! >"$pid"
      wait $!)
    result=$?
    kill "$reporter" 2>/dev/null
    [ ! -s "$stopped" ] || exit "$(cat "$stopped")"
    [ "$result" != 63 ] || exit "$EXIT_TOO_LARGE"
    case $code in 200 | 206) remember ;; esac
    [ "$result" = 0 ] && break
    if [ "$code" = 416 ] && [ "$(have)" -gt 0 ] && [ "$(have)" = "$(total)" ]; then break; fi
    report
    cat "$error"
    # The server has no ranges, or another file by now.
    if [ "$result" = 33 ] || [ "$code" = 416 ]; then rm -f "$part" "$validator"; fi
    if [ "$result" = 23 ]; then
      # curl does not say why it could not write.
      dd if=/dev/zero of="$part.probe" bs=1048576 count=1 conv=fsync 2>&1
      rm -f "$part.probe"
      exit "$EXIT_WRITE"
    fi
    case $code in
      408 | 416 | 425 | 429) ;;
      4*) echo "@code $code"; exit "$EXIT_REFUSED" ;;
    esac
    [ "$try" -lt 3 ] || { echo "@code $code"; exit "$EXIT_GAVE_UP"; }
    sleep "$try"
  done
  report
  [ "$(total)" = 0 ] || [ "$(total)" != "$(have)" ] || echo @intact
}
if [ -n "$URL" ]; then
  fetch
else
  [ -f "$FROM" ] || exit "$EXIT_NO_FILE"
  was=$(fingerprint "$FROM")
  cp --reflink=auto --sparse=auto -- "$FROM" "$part" || exit "$EXIT_WRITE"
  [ "$(fingerprint "$FROM")" = "$was" ] || exit "$EXIT_CHANGING"
  printf 'source %s\nfrom %s\n' "$was" "$FROM" >"$DIR/.source" || exit "$EXIT_WRITE"
fi
if [ -n "$SUM" ]; then
  echo @checking
  sum=$("$ALGORITHM"sum <"$part")
  sum=${sum%% *}
  if [ "$sum" != "$SUM" ]; then
    rm -f "$part" "$validator"
    echo "@sum $sum"
    exit "$EXIT_CHECKSUM"
  fi
  echo @intact
fi
describe "$part"
