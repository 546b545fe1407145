# shellcheck shell=sh
# Prepares a guest's disk to be the image of many clones: removes what must differ between them, if something creates it
# again at their first boot, and whatever belongs to this one guest. Runs as root. Prints one line for each thing that an
# operator should know.
#
# - machine-id (machine-id(5)): two systems with the same one get the same address from some DHCP servers. systemd creates
#   a new one if the file exists and is empty; under another init system D-Bus, or a service of its own, does if it is
#   missing.
# - SSH host keys of OpenSSH and dropbear: only if something creates new ones: cloud-init that is enabled, has its ssh
#   module and types of keys to create (cloudinit/config/cc_ssh.py), or a unit or init script of the distribution.
# - DHCP: leases and identities of dhclient, dhcpcd, systemd-networkd, wicked, NetworkManager and ConnMan. The leases that
#   a DHCP server gave stay: it does not start without its file.
# - Network configuration that cloud-init wrote: it names this guest's MAC. An enabled cloud-init writes it again for the
#   next instance; otherwise the MAC is removed from it, so that it fits any guest.
# - cloud-init's instance: its cache, its logs, and what it kept of this guest's user-data. What an operator put into
#   /var/lib/cloud (scripts, seed), and what runs once per system, stays.
# - Random seeds, names of network cards by MAC, and an iSCSI initiator's name, which a storage server would take for one
#   host.

PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
has() { command -v "$1" >/dev/null 2>&1; }
systemd() { [ -d /run/systemd/system ]; }
# Not "enabled-runtime", which lasts only until the next boot.
enabled() { systemctl is-enabled "$@" 2>/dev/null | grep -Eq '^(enabled|static|alias|indirect|generated)$'; }

cloud_init_enabled() {
  has cloud-init || return 1
  [ ! -e /etc/cloud/cloud-init.disabled ] && [ ! -e /run/cloud-init/disabled ] || return 1
  ! grep -qs 'cloud-init=disabled' /proc/cmdline || return 1
  if systemd; then
    enabled cloud-init-local.service && { enabled cloud-init.service || enabled cloud-init-network.service; }
  else
    # Runlevels of OpenRC and of sysvinit.
    for link in /etc/runlevels/*/cloud-init /etc/rc[2-5S].d/S[0-9][0-9]cloud-init; do
      [ ! -L "$link" ] && [ ! -e "$link" ] || return 0
    done
    return 1
  fi
}
# An empty list of types: the distribution's own unit is to create them.
cloud_init_has_no_types() {
  grep -Eqs '^[[:space:]]*ssh_genkeytypes:[[:space:]]*(~|null|\[[[:space:]]*\])[[:space:]]*(#|$)' /etc/cloud/cloud.cfg /etc/cloud/cloud.cfg.d/*.cfg
}
cloud_init_makes_keys() {
  cloud_init_enabled && ! cloud_init_has_no_types &&
    grep -Eqs '^[[:space:]]*-[[:space:]]*(\[?[[:space:]]*)ssh([],[:space:]]|$)' /etc/cloud/cloud.cfg /etc/cloud/cloud.cfg.d/*.cfg
}
# Debian's sshd-keygen.service does so only at a first boot, which an empty machine-id does not cause.
system_makes_keys() {
  if systemd; then
    for unit in ssh.service sshd.service ssh.socket sshd.socket; do
      # One at a time: some versions stop at the first that is missing.
      systemctl cat "$unit" 2>/dev/null
    done |
      grep -Eq '^(Wants|Requires|ExecStartPre)=.*(keygen|gen-keys|genkeys)' || return 1
    ! systemctl cat sshd-keygen.service 2>/dev/null | grep -q '^ConditionFirstBoot=yes'
  else
    grep -Eqs '^[^#]*ssh-keygen' /etc/init.d/sshd /etc/init.d/ssh
  fi
}
# dropbear -R creates those that are missing.
dropbear_makes_keys() {
  {
    ! systemd || systemctl cat dropbear.service 2>/dev/null
    cat /etc/init.d/dropbear /etc/default/dropbear /etc/conf.d/dropbear /etc/inittab 2>/dev/null
  } | grep -i dropbear | grep -Eq '^[^#]*(dropbearkey|[[:space:]="]-[A-Za-z]*R)'
}

if systemd; then
  # A link may point to the file of D-Bus, which is removed.
  if [ -L /etc/machine-id ]; then
    rm -f /etc/machine-id
    : >/etc/machine-id
  fi
  [ ! -e /etc/machine-id ] || : >/etc/machine-id
elif has dbus-uuidgen || [ -e /etc/init.d/machine-id ]; then
  rm -f /etc/machine-id
elif [ -s /etc/machine-id ]; then
  echo 'its guests share its machine-id: nothing in it would create a new one'
fi
[ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id

if cloud_init_makes_keys || system_makes_keys; then
  rm -f /etc/ssh/ssh_host_*key /etc/ssh/ssh_host_*key.pub /etc/ssh/ssh_host_*key-cert.pub
elif ls /etc/ssh/ssh_host_*key >/dev/null 2>&1; then
  echo 'its guests share its SSH host keys: nothing in it would create new ones (cloud-init is not enabled)'
fi
if ls /etc/dropbear/dropbear_*_host_key >/dev/null 2>&1; then
  if dropbear_makes_keys; then
    rm -f /etc/dropbear/dropbear_*_host_key
  else
    echo 'its guests share its SSH host keys: dropbear would not create new ones'
  fi
fi

for file in /var/lib/dhcp/*.lease* /var/lib/dhcp3/*.lease*; do
  case ${file##*/} in dhcpd*) ;; *) rm -f "$file" ;; esac
done
rm -f /var/lib/dhclient/*.lease* /var/db/dhclient.leases* \
  /var/lib/dhcpcd/*.lease* /var/lib/dhcpcd/duid /var/lib/dhcpcd/secret /etc/dhcpcd.duid /etc/dhcpcd.secret \
  /var/db/dhcpcd/*.lease* /var/db/dhcpcd/duid /var/db/dhcpcd/secret /var/lib/dhcpcd5/*.lease* \
  /var/lib/wicked/duid.xml /var/lib/wicked/iaid.xml /var/lib/wicked/lease-* \
  /var/lib/NetworkManager/*.lease /var/lib/NetworkManager/secret_key /var/lib/NetworkManager/timestamps \
  /var/lib/NetworkManager/seen-bssids /var/lib/connman/*/data
rm -rf /var/lib/systemd/network/*
# They are saved when their service stops, which the shutdown would do later.
if systemd; then
  systemctl stop systemd-random-seed.service >/dev/null 2>&1
else
  for service in seedrng urandom; do
    [ ! -x /etc/init.d/$service ] || /etc/init.d/$service stop >/dev/null 2>&1
  done
fi
rm -f /var/lib/systemd/random-seed /var/lib/urandom/random-seed /var/lib/misc/random-seed /var/lib/random-seed \
  /boot/loader/random-seed /boot/efi/loader/random-seed /efi/loader/random-seed
rm -f /var/lib/seedrng/seed.* /etc/udev/rules.d/70-persistent-net.rules

if [ -f /etc/iscsi/initiatorname.iscsi ] && grep -qs '^InitiatorName=' /etc/iscsi/initiatorname.iscsi; then
  # Debian's start-up creates a name if it finds this; elsewhere iscsi-init.service does if the file is missing.
  if grep -rqs GenerateName /lib/open-iscsi /usr/lib/open-iscsi; then
    echo GenerateName=yes >/etc/iscsi/initiatorname.iscsi
  elif systemd && enabled iscsi-init.service; then
    rm -f /etc/iscsi/initiatorname.iscsi
  else
    echo 'its guests share its iSCSI initiator name (/etc/iscsi/initiatorname.iscsi): nothing in it would create a new one'
  fi
fi

if ! cloud_init_enabled; then
  file=/etc/netplan/50-cloud-init.yaml
  if [ -f "$file" ]; then
    # A match by the MAC alone is removed; one by other properties too keeps those.
    awk '
      function flush() { if (head != "" && kept != "") printf "%s\n%s", head, kept; head = kept = "" }
      { match($0, /^ */); indent = RLENGTH }
      head != "" && indent <= deep { flush() }
      /^ *(macaddress|set-name):/ { next }
      /^ *match: *$/ { head = $0; deep = indent; next }
      head != "" { kept = kept $0 "\n"; next }
      { print }
      END { flush() }
    ' "$file" >"$file.sealed" && cat "$file.sealed" >"$file"
    rm -f "$file.sealed"
  fi
  for file in /etc/systemd/network/10-cloud-init-*.network; do
    [ ! -f "$file" ] || sed -i -e '/^MACAddress=/d' "$file"
  done
  for file in /etc/NetworkManager/system-connections/cloud-init-*.nmconnection; do
    [ ! -f "$file" ] || sed -i -e '/^mac-address=/d' "$file"
  done
  for file in /etc/sysconfig/network-scripts/ifcfg-* /etc/sysconfig/network/ifcfg-*; do
    [ ! -f "$file" ] || ! grep -qs 'cloud-init' "$file" || sed -i -e '/^HWADDR=/d' -e '/^LLADDR=/d' "$file"
  done
  rm -f /etc/systemd/network/*-cloud-init-*.link /run/systemd/network/*-cloud-init-*.link
fi
rm -rf /var/lib/cloud/instances /var/lib/cloud/instance
rm -f /var/lib/cloud/data/instance-id /var/lib/cloud/data/previous-* /var/lib/cloud/data/set-hostname \
  /var/lib/cloud/data/result.json /var/lib/cloud/data/status.json /var/log/cloud-init.log /var/log/cloud-init-output.log
sync
