# shellcheck shell=sh
# Waits beside the script for the end of stdin: the script has ended, it is to be ended, or the connection was lost.
# Then it ends what is left of the script's session and removes its files. Its stderr keeps the channel open until all
# is done. $1: the folder of the files; $2: the leader of the session.
#
# What a script left in the background gets a second to finish, what is asked to end two.

dir=$1 lead=$2
trap '' HUP INT TERM PIPE
cat >/dev/null
look() {
  found='' blanks=$IFS
  IFS='
'
  # shellcheck disable=SC2013 # Lines: IFS is a newline.
  for line in $(cat /proc/[0-9]*/stat); do
    IFS=$blanks
    pid=${line%% *}
    # shellcheck disable=SC2086 # Its fields: state, parent, group, session (proc(5)).
    set -- ${line##*) }
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
for _ in 1 2 3; do
  look || break
  hit KILL
  wait_for 10
done
