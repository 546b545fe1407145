# shellcheck shell=sh
# Becomes another user, and runs the rest of its arguments. $1: the user.
# `runuser` and `sudo` open a session with the user's own limits (PAM); `su` is for targets that have neither.

user=$1 login_path=$PATH
shift
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
login=$(id -un) number=$(id -u) runuser=$(command -v runuser) su=$(command -v su) sudo=$(command -v sudo)
PATH=$login_path
[ "$login" = "$user" ] && exec "$@"
if [ "$number" = 0 ]; then
  [ -n "$runuser" ] && exec "$runuser" -u "$user" -- "$@"
  exec "${su:-su}" -s /bin/sh -c 'exec "$@"' -- "$user" /bin/sh "$@"
fi
exec "${sudo:-sudo}" -n -u "$user" -- "$@"
