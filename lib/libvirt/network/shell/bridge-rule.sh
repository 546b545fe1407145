# shellcheck shell=sh
# Functions that the programs for private bridges share. If br_netfilter passes bridged packets to iptables (Docker
# loads it, and drops what is forwarded), a rule accepts what stays on the bridge $1. Its comment is
# recheck-bridge-NAME.

rule() {
  iptables -w "$2" FORWARD -i "$1" -o "$1" -m comment --comment "recheck-bridge-$1" -j ACCEPT
}
has_rule() { rule "$1" -C 2>/dev/null; }
