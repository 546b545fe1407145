#!/bin/bash
# Builds a guest as Debian publishes its cloud images: the packages of the image "genericcloud", installed from the
# machine's own package sources, and the few files that Debian's image build adds to them (debian-cloud-images,
# config_space). Nothing in it knows of Recheck, and nothing is tuned: address, SSH, host keys and upgrades are as they
# come. Left out is what costs size or time and changes no behaviour: manuals, translations, profiles of programs that are
# not there. Beside the published packages it has git, since the test network has no package server.
#
#   [CACHE=FOLDER] stock-guest.sh trixie|bookworm OUT.qcow2
#
# trixie logs in by ssh.socket, as Ubuntu's images do since 22.10; bookworm by ssh.service. About 60 s, most of it for the
# packages, which are kept in CACHE for the next build. Needs: mmdebstrap, and what stock-disk.sh needs.
set -euo pipefail
suite=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)
cache=${CACHE:-$(dirname "$out")/packages-$suite}

packages=(
  # BASE and CLOUD
  systemd-sysv udev dbus linux-image-cloud-amd64 grub-pc-bin grub-efi-amd64-bin cloud-init cloud-initramfs-growroot
  openssh-server ssh-import-id ca-certificates
  # SYSTEM_BOOT
  sudo libpam-systemd systemd-resolved libnss-myhostname netplan.io polkitd unattended-upgrades apparmor zstd apt-utils
  init iptables iputils-ping less nano netbase vim-tiny whiptail systemd-timesyncd
  # EXTRAS, as far as scripts of tests use them
  curl git iproute2 procps
)
case $suite in
  trixie) packages+=(libnss-resolve linux-sysctl-defaults) ;;
  bookworm) ;;
  *) echo "unknown suite: $suite" >&2; exit 2 ;;
esac
list=$(IFS=,; echo "${packages[*]}")
mkdir -p "$(dirname "$out")" "$(dirname "$cache")"

# The machine's own sources, for another release of Debian.
sources=/etc/apt/sources.list.d/debian.sources
[ -e "$sources" ] || sources=/etc/apt/sources.list
# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")

if [ "$(cat "$cache/done" 2>/dev/null)" != "$list" ]; then
  rm -rf "$cache"
  mkdir -p "$cache"
  sed "s/\b$codename\b/$suite/g" "$sources" >"$cache/${sources##*/}"
  mmdebstrap --mode=root --variant=minbase --skip=check/qemu --include="$list" \
    --aptopt='APT::Install-Recommends "false"' \
    --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    "$suite" "$cache/root" "$cache/${sources##*/}"
  echo "$list" >"$cache/done"
fi

work=$(mktemp -d -p "$(dirname "$out")" ".$suite.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
cp -a "$cache/root" "$root"

# scripts/LAST/10-cleanup
: >"$root/etc/machine-id"
: >"$root/etc/hostname"
rm -f "$root"/etc/ssh/ssh_host_* "$root/var/lib/dbus/machine-id" \
  "$root"/var/log/{alternatives,bootstrap,dpkg}.log
rm -rf "$root/var/log/apt"
# The build machine's package server means nothing to a guest.
rm -f "$root"/etc/apt/sources.list.d/* "$root/etc/apt/sources.list"

# scripts/SYSTEM_BOOT/20-enable-systemd-resolved
ln -sf /run/systemd/resolve/resolv.conf "$root/etc/resolv.conf"
[ "$suite" = bookworm ] || ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"

# files/etc/netplan, files/etc/cloud
install -m 600 /dev/stdin "$root/etc/netplan/90-default.yaml" <<'YAML'
network:
    version: 2
    ethernets:
        all-en:
            match:
                name: en*
            dhcp4: true
            dhcp4-overrides:
                use-domains: true
            dhcp6: true
            dhcp6-overrides:
                use-domains: true
        all-eth:
            match:
                name: eth*
            dhcp4: true
            dhcp4-overrides:
                use-domains: true
            dhcp6: true
            dhcp6-overrides:
                use-domains: true
YAML
cat >"$root/etc/cloud/cloud.cfg.d/01_debian_cloud.cfg" <<'YAML'
apt:
  generate_mirrorlists: true

system_info:
  default_user:
    name: debian
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
    shell: /bin/bash
    lock_passwd: True
    gecos: Debian
    groups: [adm, audio, cdrom, dialout, dip, floppy, plugdev, sudo, video]
YAML
echo LANG=C.UTF-8 >"$root/etc/default/locale"
if [ "$suite" = trixie ]; then
  # As deb-systemd-helper does it; systemctl wants a running system's /proc.
  units=$root/etc/systemd/system
  rm -f "$units"/multi-user.target.wants/ssh.service "$units"/sshd.service
  mkdir -p "$units/sockets.target.wants"
  ln -s /usr/lib/systemd/system/ssh.socket "$units/sockets.target.wants/ssh.socket"
fi

# What an emulated processor takes long for and nobody would notice: AppArmor's profiles of a hundred programs that are not
# installed, and caches that are as the packages made them (systemd-update-done(8)).
find "$root/etc/apparmor.d" -maxdepth 1 -type f ! -name unix-chkpwd ! -name unprivileged_userns -delete
touch -r "$root/usr" "$root/etc/.updated" "$root/var/.updated"

"$here/stock-disk.sh" "$root" "$out"
