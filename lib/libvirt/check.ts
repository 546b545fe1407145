import { factsOf, messageOf } from '../errors/ci-error.ts';
import type { Host } from '../ssh/types.ts';
import { checkForwarding } from './check/forwarding.ts';
import { checkGuests, checkOthers } from './check/guests.ts';
import { checkFirmware } from './check/hardware.ts';
import type { Check } from './check/item.ts';
import { checkLeftovers } from './check/leftovers.ts';
import {
  checkCapacity,
  checkCommands,
  checkLibvirt,
  checkLogin,
  checkMetadata,
  ROOT_LOGIN_COMMAND,
} from './check/machine.ts';
import { checkNetworks } from './check/networks.ts';
import { FIRMWARE, LOOK, PACKAGES, readFacts } from './check/program.ts';
import type { CheckSettings } from './check/settings.ts';
import { checkSessions, checkShell, noCommandsCheck } from './check/shell.ts';
import { checkStorage } from './check/storage.ts';

export type { Check } from './check/item.ts';
export type { CheckSettings } from './check/settings.ts';

const LOOK_TIMEOUT_MS = 45_000;

/**
 * Checks what a worker has and lacks for running guests. Takes one round trip for most facts, one each for forwarding,
 * sessions and foreign guests, two for leftovers and two for KVM. Changes nothing on the worker.
 *
 * @throws CiError if the connection is lost; the signal's reason if it aborts
 */
export async function checkHost(host: Host, settings: CheckSettings, signal: AbortSignal): Promise<Check[]> {
  const { uri, storage, remote } = settings;
  const programs = Object.keys(PACKAGES).filter((name) => !['btrfs', 'zfs'].includes(name) || name === storage.kind);
  const argv = ['/bin/sh', '-c', LOOK, 'recheck', uri, storage.kind, storage.place, ...FIRMWARE, ...programs];
  const looks = Promise.all([
    host.run(argv, { signal, timeout: LOOK_TIMEOUT_MS }),
    remote ? checkForwarding(host, signal) : [],
    remote ? checkSessions(host, signal) : [],
  ]);
  let found: Awaited<typeof looks>;
  try {
    found = await looks;
  } catch (error) {
    return [noCommandsCheck(error)];
  }
  const [{ stdout }, forwarding, sessions] = found;
  const facts = readFacts(stdout);
  return [
    checkLogin(facts, remote),
    ...(remote ? checkShell(host, facts) : []),
    ...forwarding,
    ...sessions,
    ...checkCommands(facts),
    ...checkLibvirt(facts, uri),
    ...checkStorage(facts, storage),
    ...(facts('place').some((line) => line.startsWith('root ')) ? await checkLeftovers(host, settings, signal) : []),
    ...checkNetworks(facts),
    ...checkMetadata(facts),
    ...(await checkGuests(host, facts, settings, signal)),
    ...checkFirmware(facts, settings.uefiImages ?? []),
    ...(await checkOthers(host, facts, settings, signal)),
    ...checkCapacity(facts, settings.limits),
  ];
}

/** Returns the check of a worker to which login failed. */
export function unreachableCheck(error: unknown): Check {
  const refused = factsOf(error).loginFailure === 'refused';
  const fix = refused ? ROOT_LOGIN_COMMAND : undefined;
  return { what: 'login', ok: false, detail: messageOf(error), ...(fix ? { fix } : {}) };
}
