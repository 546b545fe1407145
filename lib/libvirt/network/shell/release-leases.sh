# shellcheck shell=sh
# Releases the DHCP leases of guests: they last an hour otherwise, and many guests would use up a network's addresses.
# dnsmasq releases a lease that was given to a client id (systemd-networkd, dhcpcd) only for that id. Does nothing if
# dnsmasq-utils is missing.
# $1: libvirt URI; then network, bridge and MAC of each interface

uri=$1
shift
command -v dhcp_release >/dev/null || exit 0
while [ "$#" -ge 3 ]; do
  virsh -q -c "$uri" net-dhcp-leases --network "$1" --mac "$3" | while read -r _ _ mac _ address _ client _; do
    [ "$mac" = "$3" ] || continue
    case $client in *[!0-9a-fA-F:]*) client= ;; esac
    dhcp_release "$2" "${address%/*}" "$3" ${client:+"$client"}
    ip neigh del "${address%/*}" dev "$2"
  done
  shift 3
done 2>/dev/null
exit 0
