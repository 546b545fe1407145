# shellcheck shell=sh
# For each line of stdin, prints the ARP table, a line "--", the bridge ports of the MACs in it (a guest may send from
# any number of other MACs), and the line itself. Ends with its stdin, that is with the connection or the controller.

PATH=$PATH:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
set -f
while read -r mark; do
  arp=$(cat /proc/net/arp)
  printf '%s\n' "$arp"
  echo --
  known='='
  for word in $arp; do
    case $word in ??:??:??:??:??:??) known="$known
$word" ;; esac
  done
  bridge fdb show | grep -F -e "$known"
  echo "$mark"
done
