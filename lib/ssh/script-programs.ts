/**
 * The fixed programs that run a script on its target. They are POSIX sh (dash, busybox ash) and need mktemp, dd, wc,
 * cat and rm; setsid and /proc make the end of a script sharper where they are there. No data stands in them: a name or
 * a size comes as an argument, environment and script come on stdin.
 */

/** Searched by these programs too, behind the login's PATH; the script gets that one as it was. */
const USUAL_FOLDERS = ':/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Becomes another user, and runs the rest of its arguments. $1: the user.
 * `runuser` and `sudo` open a session with the user's own limits (PAM); `su` is for targets that have neither.
 */
export const SWITCH_USER = `
user=$1 login_path=$PATH
shift
PATH=$PATH${USUAL_FOLDERS}
login=$(id -un) number=$(id -u) runuser=$(command -v runuser) su=$(command -v su) sudo=$(command -v sudo)
PATH=$login_path
[ "$login" = "$user" ] && exec "$@"
if [ "$number" = 0 ]; then
  [ -n "$runuser" ] && exec "$runuser" -u "$user" -- "$@"
  exec "\${su:-su}" -s /bin/sh -c 'exec "$@"' -- "$user" /bin/sh "$@"
fi
exec "\${sudo:-sudo}" -n -u "$user" -- "$@"
`;

/** What RUN_SCRIPT says on stderr when the script is about to run; before it, a fault is not the script's. */
export const READY = 'recheck: the script runs';

/**
 * Runs the script.
 * $1: the text of WATCH; $2: a user whose home to go to, or nothing; $3, $4: how many bytes the environment and the
 * script have; from $5 on: the interpreter.
 * stdin: the environment (as \`export\` lines), the script, and then nothing: its end means "stop".
 * stdout: what the script writes to stdout and stderr, in its order. stderr: the faults of this program, and READY.
 *
 * It turns into the interpreter at its end, so that exit code and signal are the script's own, and so that the script
 * leads its session. One byte is read at a time because what comes after belongs to WATCH.
 */
export const RUN_SCRIPT = `
if [ -n "$2" ]; then
  eval "HOME=~$2"
  USER=$2 LOGNAME=$2
  export HOME USER LOGNAME
  cd "$HOME" 2>/dev/null || cd /
fi
mask=$(umask) login_path=$PATH
umask 077
PATH=$PATH${USUAL_FOLDERS}
dir=$(mktemp -d "\${TMPDIR:-/tmp}/recheck.XXXXXX") || exit 125
trap 'rm -rf "$dir"' EXIT
trap 'exit 125' HUP INT TERM PIPE
dd ibs=1 obs=65536 count="$3" of="$dir/env" || exit 125
dd ibs=1 obs=65536 count="$4" of="$dir/script" || exit 125
[ "$(wc -c <"$dir/env")" -eq "$3" ] && [ "$(wc -c <"$dir/script")" -eq "$4" ] || exit 125
exec 3<&0
session=$(command -v setsid)
( $session /bin/sh -c "$1" watch "$dir" "$$" <&3 3<&- >/dev/null & )
trap - EXIT HUP INT TERM PIPE
umask "$mask"
kill -0 "-$$" 2>/dev/null && session=
env=$dir/env script=$dir/script PATH=$login_path
shift 4
set -- $session "$@" "$script"
. "$env"
echo '${READY}' >&2
exec "$@" </dev/null 2>&1 3<&-
`;

/**
 * Waits beside the script for the end of stdin: the script has ended, it is to be ended, or the connection was lost.
 * Then it ends what is left of the script's session and removes its files. Its stderr keeps the channel open until all
 * is done. $1: the folder of the files; $2: the leader of the session.
 *
 * What a script left in the background gets a second for its last words; what is asked to end, two.
 */
export const WATCH = `
dir=$1 lead=$2
trap '' HUP INT TERM PIPE
cat >/dev/null
look() {
  found= blanks=$IFS
  IFS='
'
  for line in $(cat /proc/[0-9]*/stat); do
    IFS=$blanks
    pid=\${line%% *}
    set -- \${line##*) }
    [ "$1" = Z ] || [ "$2" = "$$" ] || [ "$pid" = "$$" ] && continue
    if [ "$pid" = "$lead" ] || [ "$3" = "$lead" ] || [ "$4" = "$lead" ]; then found="$found $pid"; fi
  done
  IFS=$blanks
  if [ ! -r /proc/self/stat ] && kill -0 "-$lead"; then found="-$lead"; fi
  [ -n "$found" ]
} 2>/dev/null
hit() {
  for pid in $found; do
    kill -s "$1" -- "$pid" || sudo -n kill -s "$1" -- "$pid"
  done
} 2>/dev/null
wait_for() {
  tenths=0
  while [ "$tenths" -lt "$1" ] && look; do
    if sleep 0.1; then tenths=$((tenths + 1)); else sleep 1; tenths=$((tenths + 10)); fi
  done
} 2>/dev/null
look || { rm -rf "$dir"; exit; }
case "$found " in
  *" $lead "*|"-$lead ") ;;
  *) wait_for 10 ;;
esac
look && hit TERM
wait_for 20
rm -rf "$dir"
for try in 1 2 3; do
  look || break
  hit KILL
  wait_for 10
done
`;
