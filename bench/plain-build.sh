#!/bin/bash
# Does what the flow does from the event to the first line of its script, each host command over one shared SSH
# connection: metadata rule, clone, domain, lease, login, wait for cloud-init, script. Then waits for a line on stdin and
# removes everything.
#
#   plain-build.sh SSH_CONFIG IMAGE CLONE NAME MAC DOMAIN_XML METADATA_PORT SCRIPT
set -euo pipefail
config=$1 image=$2 clone=$3 name=$4 mac=$5 xml=$6 port=$7 script=$8
# This script's stdin signals the end.
w() { ssh -n -F "$config" worker "$@"; }
rule="PREROUTING -i virbr0 -d 169.254.169.254/32 -p tcp --dport 80 -j DNAT --to-destination 192.168.122.1:$port"

w "iptables -w -t nat -A $rule"
w "btrfs -q subvolume snapshot $image $clone"
ssh -F "$config" worker "cat >$clone/domain.xml; : >$clone/console.log; virsh -q create $clone/domain.xml" <"$xml"
# A guest's address may change while it boots.
address() { w "virsh -q net-dhcp-leases default --mac $mac" | sort -r | awk '{ print $5; exit }' | cut -d/ -f1; }
ip=
until ip=$(address) && [ -n "$ip" ] && ssh -n -F "$config" -o ConnectTimeout=5 "$ip" true 2>/dev/null; do sleep 0.2; done
# 2: finished with warnings.
ssh -n -F "$config" "$ip" 'command -v cloud-init >/dev/null || exit 0; cloud-init status --wait >/dev/null || [ $? = 2 ]'
scp -q -F "$config" "$script" "$ip:/tmp/job.sh" </dev/null
ssh -n -F "$config" "$ip" 'bash /tmp/job.sh'

read -r _
w "virsh -q destroy $name"
w "btrfs -q subvolume delete $clone"
w "iptables -w -t nat -D $rule"
