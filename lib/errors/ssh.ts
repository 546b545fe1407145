import { formatSeconds } from '../util/format.ts';
import { quoted } from '../util/plain-text.ts';
import { CiError, messageOf } from './ci-error.ts';

/** The end of a connection, as messages name it. */
export interface SshPlace {
  label: string;
  user: string;
  host: string;
  port: number;
}

const at = (place: SshPlace): string => `${place.label} (${place.user}@${place.host}:${place.port})`;

// Connecting

export const nameNotFound = (place: SshPlace, cause: unknown): CiError =>
  new CiError({
    code: 'ssh/name-not-found',
    message: `${at(place)}: no machine of the name "${place.host}" was found. Check its spelling and this machine's DNS.`,
    transient: true,
    cause,
  });

export const connectionRefused = (place: SshPlace, cause: unknown): CiError =>
  new CiError({
    code: 'ssh/refused',
    message: `${at(place)}: the connection was refused: nothing listens on port ${place.port} there. Check the port, and that its SSH server runs.`,
    transient: true,
    cause,
  });

export const unreachable = (place: SshPlace, cause: unknown): CiError =>
  new CiError({
    code: 'ssh/unreachable',
    message: `${at(place)}: it cannot be reached (${messageOf(cause)}). Check that it is up, and the network and firewalls between.`,
    transient: true,
    cause,
  });

export const noAnswer = (place: SshPlace, milliseconds: number): CiError =>
  new CiError({
    code: 'ssh/no-answer',
    message: `${at(place)}: no answer from an SSH server in ${formatSeconds(milliseconds)}. Check that it is up, that the port is an SSH server's, and the firewalls between.`,
    transient: true,
  });

export const handshakeFailed = (place: SshPlace, cause: unknown): CiError =>
  new CiError({
    code: 'ssh/handshake',
    message: `${at(place)}: the connection broke while it was set up (${messageOf(cause)}). Is an SSH server on that port? If it is, its log says why: too many logins at once (MaxStartups in its sshd_config), or a penalty for failed ones (PerSourcePenalties).`,
    transient: true,
    cause,
  });

/** A server that ended a login and told why before: pam_nologin does so while a system boots. @param said its banners */
export const loginEnded = (place: SshPlace, said: string, cause: unknown): CiError =>
  new CiError({
    code: 'ssh/login-ended',
    message: `${at(place)}: the server ended the login (${messageOf(cause)}); it says: "${said}". Its log says more.`,
    transient: true,
    cause,
  });

/**
 * @param keysPlace where the server looks for public keys, if not in the user's authorized_keys
 * @param said its banners; empty if it sent none
 */
export const keyRefused = (place: SshPlace, publicKey: string, keysPlace?: string, said = ''): CiError => {
  const home = place.user === 'root' ? '/root' : `~${place.user}`;
  const words = said === '' ? '' : ` (it says: "${said}")`;
  return new CiError({
    code: 'ssh/key-refused',
    message: `${at(place)}: the server refused this key${words}. Add this line to ${keysPlace ?? `${home}/.ssh/authorized_keys there`}: ${publicKey}`,
  });
};

// Keys

export const noKey = (): CiError =>
  new CiError({
    code: 'ssh/key-missing',
    message: 'There is no private key. Paste one, give the path of one, or make a new pair.',
  });

export const keyUnreadable = (cause: unknown): CiError =>
  new CiError({
    code: 'ssh/key-unreadable',
    message: `The private key cannot be read (${messageOf(cause)}). It must be the whole text of an OpenSSH or PEM private key, from its BEGIN line to its END line.`,
    cause,
  });

export const publicNotPrivate = (): CiError =>
  new CiError({
    code: 'ssh/key-unreadable',
    message: 'This is a public key. The private one is wanted here: the file of the same name without ".pub".',
  });

export const passphraseMissing = (): CiError =>
  new CiError({
    code: 'ssh/passphrase-missing',
    message: 'The private key is encrypted. Give its passphrase, or use a key without one.',
  });

export const passphraseWrong = (cause: unknown): CiError =>
  new CiError({
    code: 'ssh/passphrase-wrong',
    message: 'The passphrase does not open the private key.',
    cause,
  });

// Host keys

/** @param given whether the old key stands in the settings (else it was pinned at the first connection) */
export const hostKeyChanged = (place: SshPlace, was: string, is: string, given: boolean): CiError =>
  new CiError({
    code: 'ssh/host-key-changed',
    message: given
      ? `${at(place)}: its host key is ${is}, but ${was} was given for it. If the server has a new key, change the one in its settings; else somebody may be listening.`
      : `${at(place)}: its host key changed, was ${was}, is ${is}. If that was you, clear the pinned key in the server's settings; else somebody may be listening.`,
  });

export const hostKeySetting = (place: SshPlace): CiError =>
  new CiError({
    code: 'ssh/host-key-setting',
    message: `${at(place)}: the host key given for it cannot be read. It must be a fingerprint (SHA256:…) or a public-key line (ssh-ed25519 AAAA…).`,
  });

export const knownHostsBroken = (file: string, cause: unknown): CiError =>
  new CiError({
    code: 'ssh/known-hosts',
    message: `The file of known host keys ${file} cannot be read or written (${messageOf(cause)}). Fix its rights or its JSON; deleting it forgets every pinned key.`,
    cause,
  });

// A connection in use

export const connectionLost = (place: SshPlace, cause?: unknown): CiError =>
  new CiError({
    code: 'ssh/connection-lost',
    message: `${at(place)}: the connection was lost (${cause === undefined ? 'the other side closed it' : messageOf(cause)}).`,
    transient: true,
    cause,
  });

export const hostClosed = (label: string): CiError =>
  new CiError({ code: 'ssh/closed', message: `${label}: the connection was closed here.`, transient: true });

export const channelRefused = (label: string, what: string, cause: unknown): CiError =>
  new CiError({
    code: 'ssh/channel-refused',
    message: `${label}: the server opened no channel for ${what} (${messageOf(cause)}). It may be at its limit of sessions a connection: raise MaxSessions in its sshd_config.`,
    transient: true,
    cause,
  });

export const requestRefused = (label: string, what: string, cause: unknown): CiError =>
  new CiError({
    code: 'ssh/request-refused',
    message: `${label}: the server refused ${what} (${messageOf(cause)}). Its log and its settings for this account (ForceCommand, Subsystem, AllowTcpForwarding) say why.`,
    cause,
  });

/** @param cause why the last try was refused */
export const noSessionFree = (milliseconds: number, cause: unknown): CiError =>
  new CiError({
    code: 'ssh/channel-refused',
    message: `${cause === undefined ? '' : `${messageOf(cause)} `}No session became free within ${formatSeconds(milliseconds)}.`,
    transient: true,
    cause,
  });

export const tooManyWaiting = (count: number): CiError =>
  new CiError({
    code: 'ssh/channel-refused',
    message: `${count} commands wait already for a session on the same SSH server. It is overloaded, or hangs.`,
    transient: true,
  });

const START_FILES = '~/.bashrc, or ~/.zshenv, ~/.cshrc, ~/.config/fish/config.fish, ~/.ssh/rc of its shell';

/** What a login shell printed, for a sentence. */
const printed = (said: string): string => (said === '' ? '' : `, and printed "${quoted(said, 3)}"`);

/**
 * The login shell ran something else than the command.
 *
 * @param how what it did: "ended with exit code 1 before it ran"
 */
export const commandNotBegun = (place: SshPlace, command: string, how: string, said: string): CiError =>
  new CiError({
    code: 'ssh/not-begun',
    message: `${at(place)}: the login shell of ${place.user} ${how} "${command}"${printed(said)}. Look for "exec" and "exit" in its start-up files (${START_FILES}), for ForceCommand in sshd_config and command= in authorized_keys, and whether its shell runs commands ("getent passwd ${place.user}"; "chsh -s /bin/bash ${place.user}" sets one that does).`,
  });

/** An external sftp-server is started by the login shell, and what that prints comes first. */
export const sftpNoise = (place: SshPlace, said: string, cause: unknown): CiError =>
  new CiError({
    code: 'ssh/sftp-noise',
    message: `${at(place)}: no files can be transferred by SFTP, since the login shell of ${place.user} prints "${quoted(said, 3)}" before the transfer begins. Take that out of its start-up files (${START_FILES}), or have it printed in interactive shells only; or set "Subsystem sftp internal-sftp" in sshd_config.`,
    cause,
  });

export const noExitStatus = (label: string): CiError =>
  new CiError({
    code: 'ssh/no-exit-status',
    message: `${label}: the command ended without telling how: its process or its SSH server was ended there.`,
    transient: true,
  });

export const commandClosed = (label: string): CiError =>
  new CiError({ code: 'ssh/command-closed', message: `${label}: the command was let go of before it ended.` });

/** @param noise what the login shell printed instead of running it; may be empty */
export const commandTimeout = (label: string, command: string, milliseconds: number, noise = ''): CiError =>
  new CiError({
    code: 'ssh/command-timeout',
    message: `${label}: "${command}" did not end in ${formatSeconds(milliseconds)} and was given up.${noise === '' ? '' : ` The login shell did not run it, and printed "${quoted(noise, 3)}". Look at its start-up files (${START_FILES}).`}`,
    transient: true,
  });

export const commandNotRun = (label: string, command: string, cause: unknown): CiError =>
  new CiError({
    code: 'ssh/command-not-run',
    message: `${label}: "${command}" could not be started (${messageOf(cause)}). Is it installed, and may this account run it?`,
    cause,
  });

export const nulInCommand = (): CiError =>
  new CiError({
    code: 'ssh/nul',
    message: 'A command has a NUL character in an argument, which no system takes.',
    result: 'ERROR',
  });

export const listenFailed = (label: string, address: string, port: number, cause: unknown): CiError =>
  new CiError({
    code: 'ssh/listen',
    message: `${label}: cannot listen on ${address}:${port} there (${messageOf(cause)}). The port may be taken, or the server's AllowTcpForwarding may be off.`,
    cause,
  });

export const connectFromThere = (label: string, host: string, port: number, cause: unknown): CiError =>
  new CiError({
    code: 'ssh/forward',
    message: `${label}: no connection from there to ${host}:${port} (${messageOf(cause)}).`,
    transient: true,
    cause,
  });

/** Whether a machine itself said that nothing listens at a port of it: so it is up. */
export const isRefusedThere = (error: unknown): boolean =>
  error instanceof CiError && error.code === 'ssh/forward' && /refused/i.test(messageOf(error.cause));

// Scripts

export const badEnvironment = (name: string, why: string): CiError =>
  new CiError({
    code: 'ssh/script-environment',
    message: `The script's environment variable "${name}" cannot be set: ${why}.`,
    result: 'ERROR',
  });

export const badUser = (user: string): CiError =>
  new CiError({
    code: 'ssh/script-user',
    message: `"${user}" is no user name that a script could run as.`,
    result: 'ERROR',
  });

/** @param said what the other side wrote about it */
export const scriptNotStarted = (label: string, user: string | undefined, said: string): CiError => {
  const full = /no space left/i.test(said);
  const as = user === undefined ? '' : ` as user ${user}`;
  let advice = '';
  if (full) advice = ' Its disk is full: give the image a larger disk, or clean up there.';
  else if (/^sudo:/m.test(said) && user !== undefined)
    advice = ` The login must be root, or sudo must let it run commands as ${user} without a password.`;
  return new CiError({
    code: 'ssh/script-not-started',
    message: `${label}: the script could not be started${as}: ${quoted(said) || 'no output'}.${advice}`,
    result: full ? 'DISK_FULL' : 'NODE_FAILURE',
  });
};
