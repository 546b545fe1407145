# shellcheck shell=sh
# Runs the script.
# $1: the text of watch.sh; $2: a user to whose home directory to change, or nothing; $3, $4: how many bytes the
# environment and the script have; from $5 on: the interpreter.
# stdin: the environment (as `export` lines), the script, and then nothing: its end means "stop".
# stdout: what the script writes to stdout and stderr, in its order. stderr: the faults of this program, and a line that
# says that the script runs (READY in script.ts).
#
# It turns into the interpreter at its end, so that exit code and signal are the script's own, and so that the script
# leads its session. One byte is read at a time because what comes after belongs to watch.sh. These programs search the
# usual folders after the login's PATH; the script gets the login's PATH unchanged.

if [ -n "$2" ]; then
  eval "HOME=~$2"
  USER=$2 LOGNAME=$2
  export HOME USER LOGNAME
  cd "$HOME" 2>/dev/null || cd /
fi
mask=$(umask) login_path=$PATH
umask 077
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
dir=$(mktemp -d "${TMPDIR:-/tmp}/recheck.XXXXXX") || exit 125
trap 'rm -rf "$dir"' EXIT
trap 'exit 125' HUP INT TERM PIPE
dd ibs=1 obs=65536 count="$3" of="$dir/env" || exit 125
dd ibs=1 obs=65536 count="$4" of="$dir/script" || exit 125
[ "$(wc -c <"$dir/env")" -eq "$3" ] && [ "$(wc -c <"$dir/script")" -eq "$4" ] || exit 125
exec 3<&0
session=$(command -v setsid)
( ${session:+"$session"} /bin/sh -c "$1" watch "$dir" "$$" <&3 3<&- >/dev/null & )
trap - EXIT HUP INT TERM PIPE
umask "$mask"
kill -0 "-$$" 2>/dev/null && session=
env=$dir/env script=$dir/script PATH=$login_path
shift 4
set -- ${session:+"$session"} "$@" "$script"
# shellcheck source=/dev/null
. "$env"
echo 'recheck: the script runs' >&2
exec "$@" </dev/null 2>&1 3<&-
