# shellcheck shell=sh
# What the programs share. Each rule has the comment recheck-ID-PLACE: ID names the controller and its worker-host
# node, PLACE the port of the destination, preceded by its address unless that is 127.0.0.1. What a dead controller
# leaves is found by it. It consists of letters, digits, dashes and underscores, so that iptables prints it without
# quotes.
#
# The route_localnet of a bridge from before it was changed is kept in a file of /run, which a reboot of the worker
# clears as it does the rules. It is restored with the last rule in the raw table of the bridge, before that rule is
# removed; also if somebody else flushed the rules (firewalld does when it reloads). The rule is made before the value
# is saved: any Recheck restores the value of a bridge that has no rule.
#
# take_back ID " PLACE ... " removes all rules of an ID except those of the places.
# shellcheck disable=SC2086 # a rule is split into its words on purpose; rules.sh sets -f

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
set -fu
# One at a time per worker: a program runs on if its caller gives up or is disconnected.
exec 9</run
flock -w 40 9 || { echo 'another program has been changing its rules for 40 s: look for an iptables that hangs' >&2; exit 1; }
kept=/run/recheck-localnet-
localnet() { echo "/proc/sys/net/ipv4/conf/$1/route_localnet"; }
rules() { iptables -w -t "$1" -S "$2" 2>/dev/null | grep -e '--comment recheck-'; }
loopback_rules() { rules raw PREROUTING | grep -F -e " -i $1 "; }
put_back() {
  # An empty file was never completed: /run was full.
  # shellcheck disable=SC2005 # one write, also if the file is missing
  [ ! -e "$(localnet "$1")" ] || echo "$(grep . "$kept$1" || echo 0)" >"$(localnet "$1")" || exit
  rm -f "$kept$1"
}
gone() {
  rules "$1" "$2" | grep -e "--comment recheck-$id-" | while read -r rule; do
    note=${rule##*--comment recheck-"$id"-}
    case $stay in *" ${note%% *} "*) continue ;; esac
    echo "${rule#-A }"
  done
}
take_back() {
  id=$1 stay=$2
  for place in 'nat PREROUTING' 'filter INPUT'; do
    gone $place | while read -r rule; do
      iptables -w -t "${place% *}" -D $rule || exit
    done || exit
  done
  gone raw PREROUTING | while read -r rule; do
    bridge=${rule##* -i }
    bridge=${bridge%% *}
    if [ "$(loopback_rules "$bridge" | wc -l)" -le 1 ] && [ -e "$kept$bridge" ]; then put_back "$bridge"; fi
    iptables -w -t raw -D $rule || exit
  done || exit
  # shellcheck disable=SC2012 # names of interfaces, and set -f is on
  for touched in $(ls /run | sed -n 's/^recheck-localnet-//p'); do
    [ -n "$(loopback_rules "$touched")" ] || put_back "$touched"
  done
}
