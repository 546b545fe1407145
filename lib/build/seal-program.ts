/**
 * Prepares a guest's disk to be the image of many: what must differ between its clones goes, if something will make it
 * anew at their first boot, and whatever ties it to this one guest. A POSIX sh program, run as root; no data stands in
 * it. Prints what an operator should know, a line each.
 *
 * - **machine-id** (machine-id(5)): two systems with one get one address of some DHCP servers. systemd makes a new one if
 *   the file is there and empty; D-Bus, under another init system, if it is not there.
 * - **SSH host keys**: only if something makes new ones: cloud-init that is enabled and has its ssh module, or a unit or
 *   init script of the distribution that runs ssh-keygen.
 * - **DHCP**: leases and identities of dhclient, dhcpcd, systemd-networkd, wicked, NetworkManager and ConnMan.
 * - **network configuration that cloud-init wrote**: it names this guest's MAC. An enabled cloud-init writes it anew for
 *   the next instance; if none will, the MAC is taken out of it, so that it fits any guest.
 * - **cloud-init's instance**: its cache and what it kept of this guest's user-data. What an operator put into
 *   /var/lib/cloud (scripts, seed), and what runs once per system, stays.
 * - random seeds, names of network cards by MAC, and an iSCSI initiator's name, which a storage would take for one host.
 */
export const SEAL = `
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
has() { command -v "$1" >/dev/null 2>&1; }
systemd() { [ -d /run/systemd/system ]; }
enabled() { systemctl is-enabled "$@" 2>/dev/null | grep -Eq '^(enabled|static|alias|indirect|generated)'; }

cloud_init_enabled() {
  has cloud-init || return 1
  [ ! -e /etc/cloud/cloud-init.disabled ] && [ ! -e /run/cloud-init/disabled ] || return 1
  ! grep -qs 'cloud-init=disabled' /proc/cmdline || return 1
  if systemd; then
    enabled cloud-init-local.service && { enabled cloud-init.service || enabled cloud-init-network.service; }
  fi
}
cloud_init_makes_keys() {
  cloud_init_enabled &&
    grep -Eqs '^[[:space:]]*-[[:space:]]*(\\[?[[:space:]]*)ssh([],[:space:]]|$)' /etc/cloud/cloud.cfg /etc/cloud/cloud.cfg.d/*.cfg
}
# Debian's sshd-keygen.service does so at a first boot only, which an empty machine-id is not.
system_makes_keys() {
  if systemd; then
    systemctl cat ssh.service sshd.service ssh.socket sshd.socket 2>/dev/null |
      grep -Eq '^(Wants|Requires|ExecStartPre)=.*(keygen|gen-keys|genkeys)' || return 1
    ! systemctl cat sshd-keygen.service 2>/dev/null | grep -q '^ConditionFirstBoot=yes'
  else
    grep -Eqs 'ssh-keygen|dropbearkey' /etc/init.d/sshd /etc/init.d/ssh /etc/init.d/dropbear
  fi
}

if systemd; then
  [ ! -e /etc/machine-id ] || : >/etc/machine-id
elif has dbus-uuidgen; then
  rm -f /etc/machine-id
fi
[ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id

if cloud_init_makes_keys || system_makes_keys; then
  rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
elif ls /etc/ssh/ssh_host_*_key >/dev/null 2>&1; then
  echo 'its guests share its SSH host keys: nothing in it would make new ones (cloud-init is not enabled)'
fi

rm -f /var/lib/dhcp/*.lease* /var/lib/dhclient/*.lease* /var/db/dhclient.leases* \\
  /var/lib/dhcpcd/*.lease* /var/lib/dhcpcd/duid /var/lib/dhcpcd/secret /etc/dhcpcd.duid /etc/dhcpcd.secret \\
  /var/lib/wicked/duid.xml /var/lib/wicked/iaid.xml /var/lib/wicked/lease-* \\
  /var/lib/NetworkManager/*.lease /var/lib/NetworkManager/secret_key /var/lib/NetworkManager/timestamps \\
  /var/lib/NetworkManager/seen-bssids /var/lib/connman/*/data
rm -rf /var/lib/systemd/network/*
rm -f /var/lib/systemd/random-seed /var/lib/urandom/random-seed /var/lib/misc/random-seed /var/lib/random-seed \\
  /boot/loader/random-seed /boot/efi/loader/random-seed /efi/loader/random-seed
rm -f /var/lib/seedrng/seed.* /etc/udev/rules.d/70-persistent-net.rules

if [ -f /etc/iscsi/initiatorname.iscsi ] && grep -qs '^InitiatorName=' /etc/iscsi/initiatorname.iscsi; then
  # Debian's start-up makes a name if it finds this; elsewhere iscsi-init.service does if the file is not there.
  if grep -rqs GenerateName /lib/open-iscsi /usr/lib/open-iscsi; then
    echo GenerateName=yes >/etc/iscsi/initiatorname.iscsi
  elif systemd && enabled iscsi-init.service; then
    rm -f /etc/iscsi/initiatorname.iscsi
  else
    echo 'its guests share its iSCSI initiator name (/etc/iscsi/initiatorname.iscsi): nothing in it would make a new one'
  fi
fi

if ! cloud_init_enabled; then
  for file in /etc/netplan/50-cloud-init.yaml; do
    [ ! -f "$file" ] || sed -i -e '/^ *match: *$/d' -e '/^ *macaddress:/d' -e '/^ *set-name:/d' "$file"
  done
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
rm -f /var/lib/cloud/data/instance-id /var/lib/cloud/data/previous-* /var/lib/cloud/data/set-hostname \\
  /var/lib/cloud/data/result.json /var/lib/cloud/data/status.json
sync
`;
