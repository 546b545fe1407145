#!/bin/bash
# Builds a tiny guest in a second: Debian's cloud kernel, busybox, dropbear, bash and OpenSSH's client on a real disk. It
# takes 35 MB of disk and 256 MiB of memory, and accepts a login 4 s after its start. It supports the metadata that tests
# need: keys, host name, a #! script, and the SSH host key in multi-part user-data (its files are in tiny-guest/).
#
#   tiny-guest.sh OUT.qcow2
#
# Needs: linux-image-cloud-amd64 busybox-static dropbear-bin openssh-client openssh-sftp-server syslinux syslinux-common
# mtools dosfstools fdisk cpio kmod qemu-utils.
set -euo pipefail
out=$1
here=$(cd "$(dirname "$0")" && pwd)
kernel=$(find /lib/modules -maxdepth 1 -name '*-cloud-amd64' -printf '%f\n' | sort -V | tail -1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$(dirname "$out")"
root=$work/root
mkdir -p "$root"/{bin,sbin,etc/dropbear,proc,sys,dev,run,tmp,root/.ssh,usr/bin,usr/sbin,usr/lib,var/log,var/lib/cloud/instances,home}
chmod 700 "$root/root" "$root/root/.ssh"
chmod 1777 "$root/tmp"

cp /bin/busybox "$root/bin/busybox"
for applet in $(/bin/busybox --list); do
  [ "$applet" = busybox ] || ln -sf /bin/busybox "$root/bin/$applet"
done
rm "$root/bin/bash" 2>/dev/null || true
ln -sf /bin/busybox "$root/sbin/init"

# Copies a program and its libraries.
take() {
  cp -L "$1" "$root/$2"
  ldd "$1" | grep -oE '/[^ ]+' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -Lu "$library" "$root$library"
  done
}
take /bin/bash bin/bash
take /usr/sbin/dropbear usr/sbin/dropbear
take /usr/lib/dropbear/dropbearconvert usr/bin/dropbearconvert
take /usr/bin/ssh usr/bin/ssh
take /usr/bin/ssh-keygen usr/bin/ssh-keygen
take /usr/bin/scp usr/bin/scp
take /usr/bin/install usr/bin/install
take /usr/lib/openssh/sftp-server usr/lib/sftp-server
cp -L /lib/x86_64-linux-gnu/libnss_files.so.2 "$root/lib/x86_64-linux-gnu/" 2>/dev/null || true

cp "$here/tiny-guest/inittab" "$root/etc/inittab"
install -m 755 "$here/tiny-guest/rc" "$root/etc/rc"
install -m 755 "$here/tiny-guest/dhcp.sh" "$root/etc/dhcp.sh"
install -m 755 "$here/tiny-guest/metadata" "$root/bin/metadata"
mkdir -p "$root/etc/acpi/PWRF"
printf '#!/bin/sh\npoweroff\n' >"$root/etc/acpi/PWRF/00000080"
chmod +x "$root/etc/acpi/PWRF/00000080"
printf 'root:x:0:0:root:/root:/bin/bash\nrally:x:1000:1000:rally:/home/rally:/bin/bash\n' >"$root/etc/passwd"
printf 'root:*:19000:0:99999:7:::\nrally:*:19000:0:99999:7:::\n' >"$root/etc/shadow"
chmod 600 "$root/etc/shadow"
printf 'root:x:0:\nrally:x:1000:\n' >"$root/etc/group"
printf '/bin/sh\n/bin/bash\n' >"$root/etc/shells"
printf 'PRETTY_NAME="tiny test guest"\nID=tiny\n' >"$root/etc/os-release"
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
chown -R 0:0 "$root"
mkdir "$root/home/rally"
chown 1000:1000 "$root/home/rally"

"$here/make-initrd.sh" "/lib/modules/$kernel" "$work/initrd"
"$here/make-disk.sh" "$out" "$root" "/boot/vmlinuz-$kernel" "$work/initrd" 20 48 \
  'console=ttyS0 quiet mitigations=off nokaslr tsc=reliable no_timer_check random.trust_cpu=on ipv6.disable=1'
