import { setTimeout as sleep } from 'node:timers/promises';
import { domainRefused, notShutDown, nvramLeft, stillThere } from '../../errors/libvirt.ts';
import { tapName } from '../network/mac.ts';
import type { Virsh } from '../virsh.ts';
import { VARIABLES, VARIABLES_LEFT } from './nvram.ts';

/** Seconds that a guest has to power off. */
const SHUTDOWN = 120;

/** Milliseconds between two looks at a guest that powers off, and between two presses of its power button. */
const LOOK = 300;
const PRESS = 5_000;

/**
 * Writes the domain (stdin) and an empty console beside the clone's disks and starts it. $1: libvirt's URI; $2: folder;
 * then the port and the MAC of each interface on a bridge that others are on too: that MAC is said to be behind that
 * port, and the bridge learns nothing from what the guest sends. One that sends in another's MAC gets no answer.
 */
const CREATE = `
umask 022
uri=$1 folder=$2
shift 2
: >"$folder/console.log" && cat >"$folder/domain.xml" || exit
virsh -q -c "$uri" create --file "$folder/domain.xml"
code=$?
# Also where it says that the domain is there: it may have lost the answer to its first try.
while [ "$#" -ge 2 ]; do
  # Not there where the template names its ports itself.
  if [ -e "/sys/class/net/$1/brport" ]; then
    bridge fdb replace "$2" dev "$1" master static && bridge link set dev "$1" learning off || exit
  fi
  shift 2
done
exit "$code"
`;

/**
 * Ends a domain and sees to it that it is gone, which is also fine where it was before. What is destroyed may take a
 * moment, with a disk that hangs. virsh says "failed to get domain" of a lost libvirtd too, so the list is asked then.
 * The file of its UEFI variables goes with it: only the running domain, or the XML that it was started from, names it.
 * $1: libvirt's URI; $2: domain; $3: its clone's folder, if it is known. Exit 10 where the domain stays.
 */
const DESTROY = `${VARIABLES}
uri=$1 domain=$2 folder=$3
tries=0 variables=
while [ "$tries" -lt 40 ]; do
  [ -n "$variables" ] || variables=$(virsh -q -c "$uri" dumpxml --domain "$domain" 2>/dev/null | variables_file)
  said=$(virsh -q -c "$uri" destroy --domain "$domain" 2>&1) && said='domain is not running'
  case $said in
    *'failed to connect'* | *'end of file'* | *'socket is closed'*) echo "$said" >&2; exit 1 ;;
    *'failed to get domain'* | *'Domain not found'* | *'domain is not running'*)
      names=$(virsh -q -c "$uri" list --name) || exit 1
      printf '%s\\n' "$names" | grep -qxF -e "$domain" || break
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
`;

/** The file of a guest's console, in its clone's folder. */
export const consoleFile = (folder: string): string => `${folder}/console.log`;

/**
 * Starts a domain from its XML.
 *
 * @param macs of its interfaces on bridges that other builds' guests are on too
 * @returns false where one of its name runs already
 */
export async function create(
  virsh: Virsh,
  domain: string,
  xml: string,
  { folder, macs }: { folder: string; macs: readonly string[] },
  signal: AbortSignal,
): Promise<boolean> {
  const what = `the start of guest ${domain}`;
  const args = [folder, ...macs.flatMap((mac) => [tapName(mac), mac])];
  const answer = await virsh.askProgram(CREATE, args, { signal, what, stdin: xml, toTheEnd: true });
  if (answer.code === 0) return true;
  if (/already exists|is already active/i.test(answer.stderr)) return false;
  throw domainRefused(virsh.label, domain, answer.stderr);
}

/**
 * Ends a domain at once, as pulling its plug does, and removes the file of its UEFI variables. Fine where it is gone.
 *
 * @param folder its clone's, if it is known
 * @throws CiError if the domain, or that file, cannot be removed
 */
export async function destroy(virsh: Virsh, domain: string, signal: AbortSignal, folder = ''): Promise<void> {
  const answer = await virsh.askProgram(DESTROY, [domain, folder], { signal, what: `the end of guest ${domain}` });
  if (answer.code === VARIABLES_LEFT) throw nvramLeft(virsh.label, domain, answer.stdout.trim(), answer.stderr);
  if (answer.code !== 0) throw stillThere(virsh.label, domain, answer.stderr);
}

/**
 * Presses a domain's power button until it is gone: while a guest boots it does not hear it.
 *
 * @param isThere throws if the domain is there and cannot go on
 * @throws CiError if it does not power off in time
 */
export async function shutDown(
  virsh: Virsh,
  domain: string,
  isThere: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  const end = performance.now() + SHUTDOWN * 1_000;
  let pressed = Number.NEGATIVE_INFINITY;
  while (await isThere()) {
    if (performance.now() > end) throw notShutDown(virsh.label, domain, SHUTDOWN);
    if (performance.now() - pressed > PRESS) {
      pressed = performance.now();
      // It may be gone by now: the next look tells.
      await virsh.ask(['shutdown', '--domain', domain, '--mode', 'acpi'], {
        signal,
        what: `the shutdown of ${domain}`,
      });
    }
    await sleep(LOOK, undefined, { signal });
  }
}
