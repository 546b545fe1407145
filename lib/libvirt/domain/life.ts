import { setTimeout as sleep } from 'node:timers/promises';
import { domainRefused, notShutDown, nvramLeft, stillThere } from '../../errors/libvirt.ts';
import { program } from '../../util/program.ts';
import { tapName } from '../network/mac.ts';
import type { Virsh } from '../virsh.ts';
import { VARIABLES, VARIABLES_LEFT } from './nvram.ts';

/** Seconds that a guest has to power off. */
const SHUTDOWN = 120;

/** Milliseconds between two looks at a guest that powers off, and between two presses of its power button. */
const LOOK = 300;
const PRESS = 5_000;

const CREATE = program(import.meta.url, 'create');

const DESTROY = VARIABLES + program(import.meta.url, 'destroy');

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
