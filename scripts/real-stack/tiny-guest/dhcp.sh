#!/bin/sh
# What udhcpc calls when it has a lease.
# shellcheck disable=SC2154 # udhcpc passes interface, ip, mask, router and dns as environment.
case $1 in bound | renew) ;; *) exit 0 ;; esac
ip addr flush dev "$interface"
ip addr add "$ip/${mask:-24}" dev "$interface"
for router in $router; do
  ip route add default via "$router" dev "$interface"
  break
done
: >/etc/resolv.conf
for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
