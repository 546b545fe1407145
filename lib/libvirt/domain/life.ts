import { setTimeout as sleep } from 'node:timers/promises';
import { domainRefused, notShutDown, nvramLeft, stillThere } from '../../errors/libvirt.ts';
import { program } from '../../util/program.ts';
import { tapName } from '../network/mac.ts';
import type { Virsh } from '../virsh.ts';
import { VARIABLES, VARIABLES_LEFT_EXIT_CODE } from './nvram.ts';

const SHUTDOWN_LIMIT_SECONDS = 120;

/** Between two checks of a guest that is powering off. */
const SHUTDOWN_POLL_INTERVAL_MS = 300;
/** Between two presses of its power button. */
const PRESS_INTERVAL_MS = 5_000;

const CREATE = program(import.meta.url, 'create');

const DESTROY = VARIABLES + program(import.meta.url, 'destroy');

/** Returns the path of a guest's console file. @param folder of its clone */
export const consoleFile = (folder: string): string => `${folder}/console.log`;

/**
 * Starts a domain from its XML.
 *
 * @param macs of its interfaces on bridges shared with guests of other builds
 * @returns false if a domain of its name exists
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
 * Destroys a domain and removes the file of its UEFI variables. Idempotent.
 *
 * @param folder of its clone, if known
 * @throws CiError if the domain or that file cannot be removed
 */
export async function destroy(virsh: Virsh, domain: string, signal: AbortSignal, folder = ''): Promise<void> {
  const answer = await virsh.askProgram(DESTROY, [domain, folder], { signal, what: `the end of guest ${domain}` });
  if (answer.code === VARIABLES_LEFT_EXIT_CODE)
    throw nvramLeft(virsh.label, domain, answer.stdout.trim(), answer.stderr);
  if (answer.code !== 0) throw stillThere(virsh.label, domain, answer.stderr);
}

/**
 * Presses a domain's power button until the domain is gone; a booting guest ignores it at first.
 *
 * @param isThere throws if the domain exists and cannot go on
 * @throws CiError if it does not power off in time
 */
export async function shutDown(
  virsh: Virsh,
  domain: string,
  isThere: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  const end = performance.now() + SHUTDOWN_LIMIT_SECONDS * 1_000;
  let pressed = Number.NEGATIVE_INFINITY;
  while (await isThere()) {
    if (performance.now() > end) throw notShutDown(virsh.label, domain, SHUTDOWN_LIMIT_SECONDS);
    if (performance.now() - pressed > PRESS_INTERVAL_MS) {
      pressed = performance.now();
      // It may be gone by now, which the next check finds.
      await virsh.ask(['shutdown', '--domain', domain, '--mode', 'acpi'], {
        signal,
        what: `the shutdown of ${domain}`,
      });
    }
    await sleep(SHUTDOWN_POLL_INTERVAL_MS, undefined, { signal });
  }
}
