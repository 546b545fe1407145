# shellcheck shell=sh
# Functions for a program that sets $domain:
# - variables_file prints the path of the UEFI variables that a domain XML (stdin) names, if any: the text of <nvram>
#   or of its <source>, or the path of <varstore>
# - remove_variables FILE removes that file, and those that libvirt names itself in its own folder, for the system or
#   for one user. A file that is not named after the domain belongs to something else and stays. Exits with 11 and
#   prints the files if any could not be removed.
# shellcheck disable=SC2154 # $domain is set by the program that these functions are part of

variables_file() {
  tr '\n' ' ' |
    sed -n -e "s/.*<nvram[^>]*> *\(<source[^>]* file=['\"]\)\{0,1\}\([^<'\"]\{1,\}\).*/\2/p" -e t \
      -e "s/.*<varstore[^>]* path=['\"]\([^'\"]*\).*/\1/p" |
    sed -e 's/ *$//' -e 's/&lt;/</g' -e 's/&gt;/>/g' -e 's/&quot;/"/g' -e "s/&apos;/'/g" -e 's/&amp;/\&/g'
}
remove_variables() {
  left=
  for dir in /var/lib/libvirt/qemu "${XDG_CONFIG_HOME:-${HOME:-}/.config}/libvirt/qemu"; do
    set -- "$@" "$dir/nvram/$domain"_VARS.fd "$dir/nvram/$domain"_VARS.qcow2 "$dir/varstore/$domain".json
  done
  for file; do
    case ${file##*/} in
      "$domain" | "$domain"[._]*) ;;
      *) continue ;;
    esac
    [ ! -f "$file" ] || rm -f -- "$file" || left="$left $file"
  done
  [ -z "$left" ] || { echo "$left"; exit 11; }
}
