/**
 * The file with a guest's UEFI variables. libvirt makes it as the guest starts, also if the start fails then, and leaves
 * that of a transient domain to whoever started it (formatdomain, `nvram`).
 */

/** Exit code of `remove_variables` if a file stays; it prints which. */
export const VARIABLES_LEFT = 11;

/**
 * Shell functions, for a program with $domain:
 *
 * - `variables_file` prints the path that a domain's XML (stdin) names, if any: the text of `<nvram>` or its `<source>`,
 *   or the path of `<varstore>`
 * - `remove_variables FILE` removes that file, and those that libvirt names itself in its own folder, for the system or
 *   for one user. A file that is not named after the domain is not the domain's own, and stays.
 */
export const VARIABLES = `
variables_file() {
  tr '\\n' ' ' |
    sed -n -e "s/.*<nvram[^>]*> *\\(<source[^>]* file=['\\"]\\)\\{0,1\\}\\([^<'\\"]\\{1,\\}\\).*/\\2/p" -e t \\
      -e "s/.*<varstore[^>]* path=['\\"]\\([^'\\"]*\\).*/\\1/p" |
    sed -e 's/ *$//' -e 's/&lt;/</g' -e 's/&gt;/>/g' -e 's/&quot;/"/g' -e "s/&apos;/'/g" -e 's/&amp;/\\&/g'
}
remove_variables() {
  left=
  for dir in /var/lib/libvirt/qemu "\${XDG_CONFIG_HOME:-\${HOME:-}/.config}/libvirt/qemu"; do
    set -- "$@" "$dir/nvram/$domain"_VARS.fd "$dir/nvram/$domain"_VARS.qcow2 "$dir/varstore/$domain".json
  done
  for file; do
    case \${file##*/} in
      "$domain" | "$domain"[._]*) ;;
      *) continue ;;
    esac
    [ ! -f "$file" ] || rm -f -- "$file" || left="$left $file"
  done
  [ -z "$left" ] || { echo "$left"; exit ${VARIABLES_LEFT}; }
}
`;
