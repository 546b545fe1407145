# shellcheck shell=sh
# Precedes each program: distributions keep ip, bridge and iptables where the PATH of a non-interactive login may not
# lead.

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH
