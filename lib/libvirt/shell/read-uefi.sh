# shellcheck shell=sh
# Prints what libvirt offers for a machine type, then the first existing pair of firmware files, as a line
# "loader<tab>CODE<tab>VARS".
# $1: libvirt URI; $2: architecture; $3: machine type; then the pairs

virsh -q -c "$1" domcapabilities --arch "$2" --machine "$3"
shift 3
while [ "$#" -ge 2 ]; do
  if [ -e "$1" ] && [ -e "$2" ]; then
    printf 'loader\t%s\t%s\n' "$1" "$2"
    break
  fi
  shift 2
done
exit 0
