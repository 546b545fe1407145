import { type CapacityLimits, readCapacity } from '../host-capacity.ts';
import type { Check } from './item.ts';
import { DISPENSABLE, type Facts, PACKAGES } from './program.ts';

/** Lets root log in with a key. */
export const ROOT_LOGIN_COMMAND =
  "echo 'PermitRootLogin prohibit-password' > /etc/ssh/sshd_config.d/recheck.conf && systemctl reload ssh";

/** Returns the command that installs packages. */
export const install = (...packages: string[]): string => `apt-get install ${[...new Set(packages)].join(' ')}`;

/** Checks that the login user is root. */
export function checkLogin(facts: Facts, remote: boolean): Check {
  const [user = ''] = facts('user');
  const system = facts('system')[0] || 'Linux';
  if (user === 'root') return { what: 'login', ok: true, detail: `root on ${system}` };
  const advice = remote
    ? 'Set the user of its SSH host to root.'
    : 'Run Node-RED as root, or choose an SSH host that is root at 127.0.0.1.';
  const detail = `The login user is ${user}, but storage, rules and bridges need root. ${advice}`;
  return { what: 'login', ok: false, detail, ...(remote ? { fix: ROOT_LOGIN_COMMAND } : {}) };
}

/** Checks that the required commands are installed. */
export function checkCommands(facts: Facts): Check[] {
  const there = facts('command').map((line) => {
    const [name, ...said] = line.split(' ');
    const version = /\d+(?:\.\d+)+/.exec(said.join(' '))?.[0];
    return version === undefined ? undefined : `${name} ${version}`;
  });
  const detail = there.filter((one) => one !== undefined).join(', ');
  const missing = facts('missing').map((name): Check => {
    const without = DISPENSABLE[name];
    const said = without === undefined ? `${name} is missing.` : `${name} is missing: ${without}.`;
    return { what: 'commands', ok: without !== undefined, detail: said, fix: install(PACKAGES[name]!) };
  });
  return missing.some(({ ok }) => !ok) ? missing : [{ what: 'commands', ok: true, detail }, ...missing];
}

/** Checks that libvirt answers. */
export function checkLibvirt(facts: Facts, uri: string): Check[] {
  const [said] = facts('nolibvirt');
  if (said !== undefined) {
    const why = said
      .split('error: ')
      .map((part) => part.trim())
      .filter(Boolean)
      .join('; ');
    const detail = `${uri} does not answer: ${why}`;
    return [{ what: 'libvirt', ok: false, detail, fix: 'systemctl enable --now libvirtd' }];
  }
  const [version] = facts('libvirt');
  // A missing virsh is reported with the commands.
  if (version === undefined) return [];
  const [library = '', hypervisor = ''] = [/libvirt (\S+)/, /hypervisor: (\S+ \S+)/].map(
    (one) => one.exec(version)?.[1],
  );
  const detail = `libvirt ${library}${hypervisor ? `, ${hypervisor}` : ''} at ${uri}`;
  return [{ what: 'libvirt', ok: true, detail }];
}

/** Checks that iptables and sysctl can route guests to their metadata. */
export function checkMetadata(facts: Facts): Check[] {
  const checks = facts('norules').map((line): Check => {
    const [table, ...why] = line.split(' ');
    const detail = `iptables cannot use its table ${table}, so guests cannot reach their metadata: ${why.join(' ')}`;
    return { what: 'metadata', ok: false, detail, fix: `modprobe iptable_${table}` };
  });
  if (facts('nosysctl').length > 0) {
    const detail = '/proc/sys is not writable, so guests cannot reach their metadata. Is this a container?';
    checks.push({ what: 'metadata', ok: false, detail, fix: 'mount -o remount,rw /proc/sys' });
  }
  return checks;
}

/** Checks free memory and load. */
export function checkCapacity(facts: Facts, limits: CapacityLimits): Check[] {
  const capacity = readCapacity(facts('capacity').join('\n'), limits);
  if (capacity === undefined) return [];
  if (capacity.reason !== undefined)
    return [{ what: 'capacity', ok: false, detail: `This worker ${capacity.reason}, so it accepts no builds now.` }];
  return [{ what: 'capacity', ok: true, detail: `${capacity.memory} MiB of memory free, load ${capacity.load}` }];
}
