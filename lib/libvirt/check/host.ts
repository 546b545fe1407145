import { factsOf, messageOf } from '../../errors/ci-error.ts';
import type { Host } from '../../ssh/types.ts';
import type { Owner } from '../../worker/types.ts';
import { archOf } from '../domain/host-hardware.ts';
import { type CapacityLimits, readCapacity } from '../host-capacity.ts';
import type { KeptAnswer } from '../kvm/cache.ts';
import { probeKvm } from '../kvm/probe.ts';
import { listOwners } from '../owner.ts';
import type { DomainType } from '../types.ts';
import { Virsh } from '../virsh.ts';
import { checkFirmware, checkProcessor } from './hardware.ts';
import type { Check } from './item.ts';
import { checkLeftovers } from './leftovers.ts';
import { checkNetworks } from './networks.ts';
import { DISPENSABLE, type Facts, LOOK, PACKAGES, readFacts } from './program.ts';
import { checkSessions, checkShell, noCommandsCheck } from './shell.ts';
import { checkStorage, type StoragePlace } from './storage.ts';

/** Milliseconds for the one look around. */
const LIMIT = 45_000;

/** What is looked at, as the worker's settings say it. */
export interface CheckSettings {
  /** Id of the Recheck that asks. */
  controller: string;
  /** libvirt's URI on the worker. */
  uri: string;
  type: DomainType | 'auto';
  storage: StoragePlace;
  limits: CapacityLimits;
  /** Whether the commands reach it by SSH. */
  remote: boolean;
  /** Whether the build of that owner is under way. */
  alive?: (owner: Owner) => boolean;
  /** Where an answer about KVM is kept. */
  answers?: KeptAnswer;
  /** Names of the images that are used here and need UEFI. */
  uefiImages?: readonly string[];
}

/**
 * Looks at what a worker has and lacks for running guests: one round trip, one to try forwarding, one for its sessions,
 * one or two for what is left over, two for trying KVM, one for whose guests run there. It changes nothing there.
 *
 * @throws CiError where the connection is lost; the signal's reason where it aborts
 */
export async function checkHost(host: Host, settings: CheckSettings, signal: AbortSignal): Promise<Check[]> {
  const { uri, storage, remote } = settings;
  const programs = Object.keys(PACKAGES).filter((name) => !['btrfs', 'zfs'].includes(name) || name === storage.kind);
  const argv = ['/bin/sh', '-c', LOOK, 'recheck', uri, storage.kind, storage.place, ...programs];
  const looks = Promise.all([
    host.run(argv, { signal, timeout: LIMIT }),
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
    ...checkRoom(facts, settings.limits),
  ];
}

/** The check of a worker that could not be logged in to, by why it could not. */
export function unreachableCheck(error: unknown): Check {
  const refused = factsOf(error).loginFailure === 'refused';
  const mend = refused ? rootLogin : undefined;
  return { what: 'login', ok: false, detail: messageOf(error), ...(mend ? { mend } : {}) };
}

const rootLogin =
  "echo 'PermitRootLogin prohibit-password' > /etc/ssh/sshd_config.d/recheck.conf && systemctl reload ssh";

const install = (...packages: string[]): string => `apt-get install ${[...new Set(packages)].join(' ')}`;

function checkLogin(facts: Facts, remote: boolean): Check {
  const [user = ''] = facts('user');
  const system = facts('system')[0] || 'Linux';
  if (user === 'root') return { what: 'login', ok: true, detail: `root on ${system}` };
  const advice = remote
    ? 'Set the user of its SSH host to root.'
    : 'Run Node-RED as root, or choose an SSH host that is root at 127.0.0.1.';
  const detail = `The login is ${user}, and storage, rules and bridges take root. ${advice}`;
  return { what: 'login', ok: false, detail, ...(remote ? { mend: rootLogin } : {}) };
}

/** Guests are reached, and reach their metadata, by ports forwarded through the connection: one is made and gone through. */
async function checkForwarding(host: Host, signal: AbortSignal): Promise<Check[]> {
  const late = AbortSignal.any([signal, AbortSignal.timeout(LIMIT)]);
  try {
    const { promise: arrived, resolve } = Promise.withResolvers<void>();
    const listener = await host.forwardIn('127.0.0.1', 0, (socket) => {
      socket.destroy();
      resolve();
    });
    try {
      const socket = await host.forwardOut('127.0.0.1', listener.port, late);
      await Promise.race([arrived, aborted(late)]);
      socket.destroy();
    } finally {
      await listener.close();
    }
    return [];
  } catch (error) {
    signal.throwIfAborted();
    if (host.gone.aborted) throw error;
    const mend =
      "echo 'AllowTcpForwarding yes' > /etc/ssh/sshd_config.d/recheck-forwarding.conf && systemctl reload ssh";
    return [{ what: 'forwarding', ok: false, detail: messageOf(error), mend }];
  }
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

function checkCommands(facts: Facts): Check[] {
  const there = facts('command').map((line) => {
    const [name, ...said] = line.split(' ');
    const version = /\d+(?:\.\d+)+/.exec(said.join(' '))?.[0];
    return version === undefined ? undefined : `${name} ${version}`;
  });
  const detail = there.filter((one) => one !== undefined).join(', ');
  const missing = facts('missing').map((name): Check => {
    const without = DISPENSABLE[name];
    const said = without === undefined ? `${name} is not there.` : `${name} is not there: ${without}.`;
    return { what: 'commands', ok: without !== undefined, detail: said, mend: install(PACKAGES[name]!) };
  });
  return missing.some(({ ok }) => !ok) ? missing : [{ what: 'commands', ok: true, detail }, ...missing];
}

function checkLibvirt(facts: Facts, uri: string): Check[] {
  const [said] = facts('nolibvirt');
  if (said !== undefined) {
    const why = said
      .split('error: ')
      .map((part) => part.trim())
      .filter(Boolean)
      .join('; ');
    const detail = `${uri} does not answer: ${why}`;
    return [{ what: 'libvirt', ok: false, detail, mend: 'systemctl enable --now libvirtd' }];
  }
  const [version] = facts('libvirt');
  // No virsh: said among the commands.
  if (version === undefined) return [];
  const [library = '', hypervisor = ''] = [/libvirt (\S+)/, /hypervisor: (\S+ \S+)/].map(
    (one) => one.exec(version)?.[1],
  );
  const detail = `libvirt ${library}${hypervisor ? `, ${hypervisor}` : ''} at ${uri}`;
  return [{ what: 'libvirt', ok: true, detail }];
}

function checkMetadata(facts: Facts): Check[] {
  const checks = facts('norules').map((line): Check => {
    const [table, ...why] = line.split(' ');
    const detail = `iptables cannot use its table ${table}, so guests cannot be led to their metadata: ${why.join(' ')}`;
    return { what: 'metadata', ok: false, detail, mend: `modprobe iptable_${table}` };
  });
  if (facts('nosysctl').length > 0) {
    const detail = '/proc/sys may not be written to, so guests cannot be led to their metadata. Is it a container?';
    checks.push({ what: 'metadata', ok: false, detail, mend: 'mount -o remount,rw /proc/sys' });
  }
  return checks;
}

async function checkGuests(host: Host, facts: Facts, settings: CheckSettings, signal: AbortSignal): Promise<Check[]> {
  const { uri, type, answers } = settings;
  if (facts('libvirt').length === 0) return [];
  const arch = archOf(facts('arch')[0] ?? '');
  if (!facts('emulator')[0]) {
    const detail = `libvirt has no QEMU for ${arch}.`;
    const mend = install(arch === 'aarch64' ? 'qemu-system-arm' : 'qemu-system-x86');
    return [{ what: 'guests', ok: false, detail, mend }];
  }
  if (type === 'qemu') {
    const detail = 'emulated by QEMU, as the domain type is set';
    return [{ what: 'guests', ok: true, detail }, ...checkProcessor(facts, false)];
  }
  const proved = type === 'auto' ? answers?.get() : undefined;
  if (proved?.isProved) {
    const detail = `emulated by QEMU for a day: ${proved.why}`;
    return [{ what: 'guests', ok: true, detail }, ...checkProcessor(facts, false)];
  }
  const virsh = new Virsh(host.label, uri, async () => host);
  try {
    const { works, why } = await probeKvm(virsh, signal, arch);
    if (type === 'auto') answers?.set({ type: works ? 'kvm' : 'qemu', why });
    const processor = checkProcessor(facts, works || type === 'kvm');
    if (works) return [{ what: 'guests', ok: true, detail: `KVM works: ${why}` }, ...processor];
    // On ARM it is part of the kernel.
    const mend = arch === 'x86_64' ? { mend: 'modprobe kvm_intel || modprobe kvm_amd' } : {};
    const detail =
      type === 'kvm' ? `KVM does not work, and is set: ${why}` : `emulated by QEMU, since KVM does not work: ${why}`;
    return [{ what: 'guests', ok: type === 'auto', detail, ...mend }, ...processor];
  } catch (error) {
    signal.throwIfAborted();
    if (host.gone.aborted) throw error;
    return [{ what: 'guests', ok: false, detail: messageOf(error) }];
  }
}

/** Another Recheck may share the worker: said, since each must then have a storage path and a network of its own. */
async function checkOthers(host: Host, facts: Facts, settings: CheckSettings, signal: AbortSignal): Promise<Check[]> {
  const { uri, controller } = settings;
  if (facts('libvirt').length === 0) return [];
  try {
    const guests = await listOwners(new Virsh(host.label, uri, async () => host), signal);
    const others = guests.filter(({ owner }) => owner.controller !== controller).length;
    if (others === 0) return [];
    const detail = `${others} of another Recheck: each takes a storage path and a libvirt network of its own here.`;
    return [{ what: 'guests', ok: true, detail }];
  } catch (error) {
    signal.throwIfAborted();
    if (host.gone.aborted) throw error;
    return [];
  }
}

function checkRoom(facts: Facts, limits: CapacityLimits): Check[] {
  const capacity = readCapacity(facts('room').join('\n'), limits);
  if (capacity === undefined) return [];
  if (capacity.reason !== undefined)
    return [{ what: 'room', ok: false, detail: `It ${capacity.reason}: it takes no build now.` }];
  return [{ what: 'room', ok: true, detail: `${capacity.memory} MiB of memory free, load ${capacity.load}` }];
}
