import type { CiError } from '../../errors/ci-error.ts';
import { diskFault, diskFull, guestHalted, guestVanished, kvmFault } from '../../errors/libvirt.ts';
import { quoted } from '../../util/plain-text.ts';
import { program } from '../../util/program.ts';
import type { DomainType } from '../types.ts';
import type { Virsh } from '../virsh.ts';
import { conditionOf, kvmFaultIn } from './state.ts';

/** How much of QEMU's log is read: its last messages follow a dump of the processor's registers. */
const MAX_LOG_BYTES = 16_384;

/** Separates the parts of the program's output. */
const CUT = '\n--\n';

const EXAMINE = program(import.meta.url, 'examine');

/** A guest to examine. */
export interface HaltedGuest {
  domain: string;
  /** Folder of its clone on the worker. */
  folder: string;
  /** Output of `virsh domstate --reason`, `shut off` if there is no such domain; empty if it runs. */
  state: string;
  type: DomainType;
  /** Whether the type was set rather than found out: then the next guest has it too. */
  isTypeSet?: boolean;
}

/** The result of an examination. */
export interface Finding {
  /** Why it cannot go on; undefined if it runs and its clone can be written to. */
  fault: CiError | undefined;
  /** The end of QEMU's log. */
  log: string;
}

/**
 * Finds out why a guest cannot go on, or whether its worker is to blame: QEMU stops a guest on a disk error
 * (error_policy in the domain XML), and KVM may give it up.
 *
 * @throws CiError if the worker cannot be asked
 */
export async function examineGuest(virsh: Virsh, guest: HaltedGuest, signal: AbortSignal): Promise<Finding> {
  const { domain, folder } = guest;
  const args = [domain, folder, `${MAX_LOG_BYTES}`];
  const said = await virsh.program(EXAMINE, args, { signal, what: `the look at guest ${domain}` });
  const [text = '', disks = '', write = ''] = said.split(CUT);
  const own = ofThisRun(text);
  const log = lastWords(own);
  return { fault: faultOf(guest, virsh.label, { disks, write, kvm: kvmFaultIn(own), log }), log };
}

function faultOf(
  { domain, state, type, isTypeSet = false }: HaltedGuest,
  worker: string,
  { disks, write, kvm, log }: { disks: string; write: string; kvm: string | undefined; log: string },
): CiError | undefined {
  const error = writeFault(disks, write);
  const isDisk = /^paused \(I\/O error\)/.test(state);
  if (error !== undefined && (isDisk || state === ''))
    return error.isFull ? diskFull(worker, domain, error.why) : diskFault(worker, domain, error.why);
  if (state === '') return undefined;
  if (type === 'kvm' && kvm !== undefined) return kvmFault(worker, domain, kvm, !isTypeSet);
  return conditionOf(state) === 'gone' ? guestVanished(worker, domain, log) : guestHalted(worker, domain, state, log);
}

/** Cuts off earlier runs of a domain of the same name, as image builds have: libvirt begins each run with a line. */
const ofThisRun = (log: string): string => log.slice(Math.max(0, log.lastIndexOf(': starting up libvirt version')));

/** @param disks lines such as `vda: no space` @param write output of `dd`, empty if it succeeded */
function writeFault(disks: string, write: string): { isFull: boolean; why: string } | undefined {
  const why = write
    .split('\n')
    .map((line) => /: ([^:]+)$/.exec(line.trim())?.[1])
    .find((word) => word !== undefined && !/^\d/.test(word));
  if (why !== undefined) return { isFull: /no space|quota/i.test(why), why };
  const disk = disks.trim().split('\n')[0]!;
  if (disk === '' || !disk.includes(':')) return undefined;
  return { isFull: /no space/i.test(disk), why: disk };
}

/** Returns QEMU's last lines, without the long command line at the beginning of the log. */
const lastWords = (log: string): string =>
  quoted(
    log
      .split('\n')
      .filter((line) => !/^\s*(LC_ALL|PATH|HOME|XDG|QEMU_AUDIO|USER|\/usr\/|-)/.test(line))
      .join('\n'),
    -3,
    500,
  );
