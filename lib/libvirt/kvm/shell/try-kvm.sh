# shellcheck shell=sh
# Boots the guest on stdin (base64: a disk, or a kernel on aarch64) with QEMU under KVM and prints its serial output.
# Kills a guest that does not power off in time. Its files are removed however this program ends.
# $1: libvirt URI (unused); $2: QEMU binary; $3: time limit in seconds; $4: architecture

dir=$(mktemp -d "${TMPDIR:-/tmp}/recheck-kvm.XXXXXX") || exit 125
trap 'rm -rf "$dir"' EXIT
trap 'exit 125' HUP INT TERM PIPE
base64 -d >"$dir/disk" || exit 125
seconds=$3 qemu=$2
case $4 in
  aarch64) set -- -machine virt,accel=kvm,gic-version=max -m 64 -kernel "$dir/disk" ;;
  *)
    set -- -machine pc,accel=kvm -m 16 -device isa-debug-exit,iobase=0xf4,iosize=4 \
      -drive "file=$dir/disk,format=raw,if=ide"
    ;;
esac
timeout -s KILL "$seconds" "$qemu" -nodefaults -no-user-config -cpu host -display none -serial stdio "$@" \
  </dev/null 2>"$dir/said"
head -c 2000 "$dir/said" >&2
exit 0
