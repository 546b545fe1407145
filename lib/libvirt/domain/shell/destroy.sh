# shellcheck shell=sh
# Destroys a domain, waits until it is gone, and removes its UEFI variables, which only the running domain or the XML
# that it was started from names. Idempotent. Preceded by variables.sh.
# $1: libvirt URI; $2: domain; $3: folder of its clone, empty if unknown. Exits with 10 if the domain stays.

uri=$1 domain=$2 folder=$3
tries=0 variables=
# A domain with a hanging disk takes a moment to go.
while [ "$tries" -lt 40 ]; do
  [ -n "$variables" ] || variables=$(virsh -q -c "$uri" dumpxml --domain "$domain" 2>/dev/null | variables_file)
  said=$(virsh -q -c "$uri" destroy --domain "$domain" 2>&1) && said='domain is not running'
  case $said in
    *'failed to connect'* | *'end of file'* | *'socket is closed'*) echo "$said" >&2; exit 1 ;;
    *'failed to get domain'* | *'Domain not found'* | *'domain is not running'*)
      # virsh says the same if libvirtd was lost, so the list decides.
      names=$(virsh -q -c "$uri" list --name) || exit 1
      printf '%s\n' "$names" | grep -qxF -e "$domain" || break
      ;;
  esac
  tries=$((tries + 1))
  sleep 0.5
done
if [ "$tries" -ge 40 ]; then
  echo "$said" >&2
  exit 10
fi
[ -n "$variables" ] || [ ! -f "$folder/domain.xml" ] || variables=$(variables_file <"$folder/domain.xml")
remove_variables "$variables"
exit 0
