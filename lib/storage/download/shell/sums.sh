# shellcheck shell=sh
# Prints the checksum file at URL, or FROM of this machine (if URL is empty): at most MAX_BYTES and one more. If that
# fails, prints what curl said and the server's last answer (`@code N`).

set -u
umask 077
LC_ALL=C
export LC_ALL
file=$DIR/.sums error=$DIR/.error result=$DIR/.result
trap 'rm -f "$file" "$error" "$result"' EXIT
if [ -z "$URL" ]; then
  [ -f "$FROM" ] || exit "$EXIT_NO_FILE"
  exec head -c "$((MAX_BYTES + 1))" -- "$FROM"
fi
command -v curl >/dev/null || exit "$EXIT_NO_CURL"
try=0
# Seconds; download.ts has a limit for all tries together.
try_timeout=60
while :; do
  try=$((try + 1))
  {
    curl --silent --show-error --fail --location --globoff --proto '=http,https' --connect-timeout 20 \
      --max-time "$try_timeout" --write-out '%{stderr}@code %{http_code}\n' --url "$URL" 2>"$error"
    echo $? >"$result"
  } | head -c "$((MAX_BYTES + 1))" >"$file"
  code=$(sed -n 's/^@code //p' "$error")
  { [ "$(cat "$result")" != 0 ] && [ "$(stat -c %s "$file")" -le "$MAX_BYTES" ]; } || break
  case $code in
    408 | 425 | 429) ;;
    4*) cat "$error"; exit "$EXIT_REFUSED" ;;
  esac
  [ "$try" -lt 3 ] || { cat "$error"; exit "$EXIT_GAVE_UP"; }
  sleep "$try"
done
cat "$file"
