import type { Virsh } from '../virsh.ts';

/** Bytes kept of a console's beginning, and of its end: what a guest writes has no bound. */
const KEPT = 1024 * 1024;

/**
 * Prints the console file $2 with what libvirt's log daemon rotated out of it ($2.0 is the newest): of a long one the
 * first and the last $3 bytes. Exit 10 where there is none. $1: libvirt's URI (not used).
 */
const READ = `
[ -f "$2" ] || exit 10
all() {
  for file in "$1.2" "$1.1" "$1.0" "$1"; do
    [ ! -f "$file" ] || cat "$file"
  done
}
size=$(all "$2" | wc -c)
if [ "$size" -le $(($3 + $3)) ]; then
  all "$2"
else
  all "$2" | head -c "$3"
  printf '\\n[... %s bytes of this console are left out ...]\\n' $((size - $3 - $3))
  all "$2" | tail -c "$3"
fi
exit 0
`;

/** What a guest wrote to its serial console so far; undefined where there is no such file. */
export async function readConsole(virsh: Virsh, file: string, signal: AbortSignal): Promise<string | undefined> {
  const what = `the reading of the console ${file}`;
  const answer = await virsh.askProgram(READ, [file, `${KEPT}`], { signal, what, limit: 2 * KEPT + 200 });
  return answer.code === 10 ? undefined : answer.stdout;
}
