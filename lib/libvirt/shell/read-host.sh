# shellcheck shell=sh
# Prints the architecture of the machine and the versions of the running libvirt and of QEMU.
# $1: libvirt URI

uname -m
virsh -q -c "$1" version --daemon
