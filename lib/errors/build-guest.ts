/** Errors of a build's guests: booting, logging in, cloud-init, and losing them. */
import { quoted } from '../util/plain-text.ts';
import { CiError } from './ci-error.ts';

/**
 * A guest had no address or no SSH login in time, or powered off before.
 *
 * @param guest its name in the flow
 * @param why one or more sentences
 * @param console the last line of its console; may be empty
 */
export const bootFailed = (guest: string, worker: string, why: string, console: string): CiError =>
  new CiError({
    code: 'build/boot-failed',
    blame: 'guest',
    message: `${worker}: guest ${guest} did not boot: ${why}${console ? ` Its console ends with: "${console}".` : ''}`,
    isNotStarted: true,
  });

/** Explains a guest without an address whose first network card is on a private bridge. */
export const PRIVATE_FIRST =
  'Its first network card is on a private bridge, which has no DHCP server, and cloud images request an address on their first card only. Put the network that leads to the worker first, unless the image configures its network itself.';

/**
 * Returns why a guest did not boot within its time limit, to be followed by the last line of its console, if any.
 *
 * @param trouble why the last login attempt failed; undefined if the guest has no address yet
 * @param more.hardware what to change in its virtual hardware (hardwareAdvice); empty if that is not the known reason
 * @param more.privateFirst whether its first network card is on a private bridge
 */
export const notUpInTime = (
  seconds: number,
  trouble: string | undefined,
  console: string,
  { hardware = '', privateFirst = false } = {},
): string => {
  if (trouble !== undefined) {
    const silent = /connection refused|did not answer/i.test(trouble);
    const advice = silent
      ? ' Does its image start an SSH server, and does its firewall allow port 22? If its cloud-init is too old for an ed25519 host key, it has no host key: let guests keep their own in the vm-image.'
      : '';
    if (hardware && console !== '') return `SSH login did not succeed within ${seconds} s. ${hardware}`;
    return `SSH login did not succeed within ${seconds} s (${trouble.replace(/\.$/, '')}).${advice}`;
  }
  if (privateFirst && (!hardware || console === '')) return `it has no address after ${seconds} s. ${PRIVATE_FIRST}`;
  const advice = hardware || 'Does its network have a DHCP server, and does its image request an address?';
  return `it has no address after ${seconds} s. ${advice}`;
};

/** The guest answered with another SSH host key than the one that its user-data sets. */
export const otherHostKey = (worker: string, address: string): CiError =>
  new CiError({
    code: 'build/other-host-key',
    blame: 'image',
    message: `${worker}: the SSH host key of the guest at ${address} is not the one generated for it. Either its image ignores the key in the cloud-init user-data, or another guest has that address.`,
    advice: 'In the first case, let guests keep their own host keys in the vm-image.',
    loginFailure: 'other-host-key',
  });

/**
 * The SSH server accepts the login, but only prints a notice: cloud images do that for root.
 *
 * @param words what the guest printed instead of running a command
 */
export const notAdmitted = (guest: string, user: string, words: string): CiError => {
  const said = quoted(words);
  return new CiError({
    code: 'build/not-admitted',
    blame: 'image',
    message: `Guest ${guest} accepts the login of ${user} but runs no command${said ? `; it says: "${said}"` : ''}.`,
    advice:
      'Set another login user in the vm-image, or let cloud-init admit this one (for root: disable_root: false in the user-data).',
    loginFailure: 'refused',
    runsNoCommand: true,
  });
};

/** cloud-init is still running in a guest after its time limit. @param milliseconds the limit */
export const cloudInitLate = (guest: string, milliseconds: number): CiError =>
  new CiError({
    code: 'build/cloud-init-late',
    blame: 'guest',
    message: `Guest ${guest}: cloud-init did not finish within ${Number((milliseconds / 60_000).toFixed(2))} min.`,
    advice:
      "See the guest's console for what it is doing. Raise the limit, or set it to 0 to start without cloud-init.",
  });

/**
 * cloud-init ended in a guest with an error.
 *
 * @param lines the output of `cloud-init status --long`, then the end of cloud-init's output
 */
export const cloudInitFailed = (guest: string, code: number | undefined, lines: readonly string[]): CiError => {
  const errors = lines.filter((line) => !/^\w*(status|status_code|last_update|detail|errors): *\S*$/.test(line.trim()));
  const why = quoted(errors.find((line) => /error|fail|invalid|traceback/i.test(line)) ?? '');
  return new CiError({
    code: 'build/cloud-init-failed',
    blame: 'guest',
    message: `Guest ${guest}: cloud-init failed (exit ${code ?? 'unknown'})${why ? `: ${why}` : ''}.`,
    advice: "Check its user-data. The build's console has cloud-init's output, the guest's console the rest.",
  });
};

/**
 * The connection to a guest that was up broke and could not be restored.
 *
 * @param why a clause: "it was cut while a script ran"
 */
export const guestLost = (guest: string, why: string): CiError =>
  new CiError({
    code: 'build/guest-lost',
    blame: 'guest',
    message: `The SSH connection to guest ${guest} was lost: ${why.replace(/\.$/, '')}. The patch is not blamed for this.`,
    advice: "See the guest's console in the logs.",
  });

/** A script rebooted its guest, which its step does not allow. */
export const guestRebooted = (guest: string): CiError =>
  new CiError({
    code: 'build/guest-rebooted',
    blame: 'patch',
    message: `Guest ${guest} rebooted.`,
    advice: 'If a script may do that, tick "the guest may reboot" in its ssh-exec node.',
  });
