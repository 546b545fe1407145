# shellcheck shell=sh
# Writes the domain XML (stdin) and an empty console file beside the clone's disks and starts the domain. For each
# interface on a shared bridge, pins its MAC to its port and disables learning there, so that a guest that sends from
# another MAC gets no answer.
# $1: libvirt URI; $2: folder of the clone; then the port and the MAC of each interface on a shared bridge

umask 022
uri=$1 folder=$2
shift 2
: >"$folder/console.log" && cat >"$folder/domain.xml" || exit
virsh -q -c "$uri" create --file "$folder/domain.xml"
code=$?
# Also if the domain exists already: the answer to an earlier attempt may have been lost.
while [ "$#" -ge 2 ]; do
  # Missing if the template names its ports itself.
  if [ -e "/sys/class/net/$1/brport" ]; then
    bridge fdb replace "$2" dev "$1" master static && bridge link set dev "$1" learning off || exit
  fi
  shift 2
done
exit "$code"
