# shellcheck shell=sh
# Prints one line per domain of Recheck: its name, a tab, and its owner element.
# $1: libvirt URI; $2: namespace of the element

names=$(virsh -q -c "$1" list --all --name) || exit
printf '%s\n' "$names" | while IFS= read -r name; do
  [ -n "$name" ] || continue
  if owner=$(virsh -q -c "$1" metadata --domain "$name" --uri "$2" 2>&1); then
    printf '%s\t%s\n' "$name" "$(printf %s "$owner" | tr '\n' ' ')"
  else
    case $owner in
      *'metadata not found'*) ;;
      *)
        # virsh reports a missing domain and a lost libvirtd alike; a domain of ours must not be taken for a foreign one.
        now=$(virsh -q -c "$1" list --all --name) || exit
        ! printf '%s\n' "$now" | grep -qxF -e "$name" || { printf '%s\n' "$owner" >&2; exit 1; }
        ;;
    esac
  fi
done
