/** Errors of SSH connections: connecting, keys, host keys, sessions and forwarding. */
import { formatSeconds } from '../util/format.ts';
import { type Blame, CiError, type CiErrorFields, messageOf } from './ci-error.ts';

/** The other end of a connection, as messages name it. */
export interface SshPlace {
  label: string;
  user: string;
  host: string;
  port: number;
}

/** Returns the other end of a connection as messages begin with it. */
export const at = (place: SshPlace): string => `${place.label} (${place.user}@${place.host}:${place.port})`;

/**
 * Makes an error of a connection. The machine at its other end is to blame unless `fields` say otherwise: these
 * functions do not know whether it is a worker, a guest or a Gerrit server.
 */
export const sshError = (fields: Omit<CiErrorFields, 'blame'> & { blame?: Blame }): CiError =>
  new CiError({ blame: 'worker', keepsDownload: true, ...fields });

// Connecting

/** The host's name cannot be resolved. */
export const nameNotFound = (place: SshPlace, cause: unknown): CiError =>
  sshError({
    code: 'ssh/name-not-found',
    message: `${at(place)}: unknown host name "${place.host}".`,
    advice: "Check its spelling and this machine's DNS.",
    retryable: true,
    cause,
  });

/** The machine is up, but has no SSH server on that port. */
export const connectionRefused = (place: SshPlace, cause: unknown): CiError =>
  sshError({
    code: 'ssh/refused',
    message: `${at(place)}: the connection was refused: nothing listens on port ${place.port} there.`,
    advice: 'Check the port, and that its SSH server is running.',
    retryable: true,
    cause,
  });

/** The network reports that there is no route to the machine, or that it is down. */
export const unreachable = (place: SshPlace, cause: unknown): CiError =>
  sshError({
    code: 'ssh/unreachable',
    message: `${at(place)}: it cannot be reached (${messageOf(cause)}).`,
    advice: 'Check that it is up, and the network and firewalls between.',
    retryable: true,
    cause,
  });

/** The connection was not set up in time: a firewall drops packets, or the server hangs. */
export const noAnswer = (place: SshPlace, milliseconds: number): CiError =>
  sshError({
    code: 'ssh/no-answer',
    message: `${at(place)}: no answer from an SSH server within ${formatSeconds(milliseconds)}.`,
    advice: "Check that it is up, that the port is an SSH server's, and the firewalls between.",
    retryable: true,
  });

/** The connection ended, or the sides could not agree on algorithms, before the login. */
export const handshakeFailed = (place: SshPlace, cause: unknown): CiError =>
  sshError({
    code: 'ssh/handshake',
    message: `${at(place)}: the connection broke during its setup (${messageOf(cause)}).`,
    advice:
      'Is an SSH server on that port? If so, its log says why: too many logins at once (MaxStartups in its sshd_config), or a penalty for failed ones (PerSourcePenalties).',
    retryable: true,
    // The first is ssh2's own message, the second the system's.
    ...(/before handshake|ECONNRESET/.test(messageOf(cause)) ? { isDroppedEarly: true } : {}),
    cause,
  });

/**
 * Describes a server that ended a login and said why: pam_nologin does so while a system boots.
 *
 * @param said its banners
 */
export const loginEnded = (place: SshPlace, said: string, cause: unknown): CiError =>
  sshError({
    code: 'ssh/login-ended',
    message: `${at(place)}: the server ended the login (${messageOf(cause)}); it says: "${said}".`,
    advice: 'Its log says more.',
    retryable: true,
    loginFailure: 'ended',
    cause,
  });

/**
 * The server does not accept the public key, or not for this user.
 *
 * @param keysPlace where the server looks for public keys, if not in the user's authorized_keys
 * @param said its banners; empty if it sent none
 */
export const keyRefused = (place: SshPlace, publicKey: string, keysPlace?: string, said = ''): CiError => {
  const home = place.user === 'root' ? '/root' : `~${place.user}`;
  const words = said === '' ? '' : ` (it says: "${said}")`;
  return sshError({
    code: 'ssh/key-refused',
    message: `${at(place)}: the server refused this key${words}.`,
    advice: `Add this line to ${keysPlace ?? `${home}/.ssh/authorized_keys there`}: ${publicKey}`,
    loginFailure: 'refused',
  });
};

// Keys

/** A connection has neither the text of a private key nor the path of one. */
export const noKey = (): CiError =>
  sshError({
    code: 'ssh/key-missing',
    blame: 'config',
    message: 'There is no private key.',
    advice: 'Paste one, enter the path of one, or generate a new pair.',
    result: 'NODE_FAILURE',
  });

/** A private key is damaged, cut off, or in an unsupported format. */
export const keyUnreadable = (cause: unknown): CiError =>
  sshError({
    code: 'ssh/key-unreadable',
    blame: 'config',
    message: `The private key cannot be read (${messageOf(cause)}).`,
    advice: 'It must be the complete text of an OpenSSH or PEM private key, from its BEGIN line to its END line.',
    result: 'NODE_FAILURE',
    cause,
  });

/** A public key was pasted as the private one. */
export const publicNotPrivate = (): CiError =>
  sshError({
    code: 'ssh/key-unreadable',
    blame: 'config',
    message: 'This is a public key, but the private one is needed.',
    advice: 'Use the file of the same name without ".pub".',
    result: 'NODE_FAILURE',
  });

/** An encrypted private key is set without its passphrase. */
export const passphraseMissing = (): CiError =>
  sshError({
    code: 'ssh/passphrase-missing',
    blame: 'config',
    message: 'The private key is encrypted.',
    advice: 'Enter its passphrase, or use a key without one.',
    result: 'NODE_FAILURE',
  });

/** An encrypted private key is set with the passphrase of another one. */
export const passphraseWrong = (cause: unknown): CiError =>
  sshError({
    code: 'ssh/passphrase-wrong',
    blame: 'config',
    message: 'The passphrase does not decrypt the private key.',
    advice: 'Enter the right one, or use a key without one.',
    result: 'NODE_FAILURE',
    cause,
  });

// Host keys

/**
 * The server showed another host key than the pinned one.
 *
 * @param given whether the old key was set by the operator, rather than pinned at the first connection
 */
export const hostKeyChanged = (place: SshPlace, was: string, is: string, given: boolean): CiError =>
  sshError({
    code: 'ssh/host-key-changed',
    message: given
      ? `${at(place)}: its host key is ${is}, but ${was} is set for it.`
      : `${at(place)}: its host key changed from ${was} to ${is}.`,
    advice: `${given ? 'If the server has a new key, change the one in its settings' : "If you replaced it, clear the pinned key in the server's settings"}; otherwise somebody may be intercepting the connection.`,
    loginFailure: 'other-host-key',
  });

/** The host key that the operator set is neither a fingerprint nor a public key. */
export const hostKeySetting = (place: SshPlace): CiError =>
  sshError({
    code: 'ssh/host-key-setting',
    blame: 'config',
    message: `${at(place)}: the host key that is set for it cannot be parsed.`,
    advice: 'It must be a fingerprint (SHA256:…) or a public-key line (ssh-ed25519 AAAA…).',
    result: 'NODE_FAILURE',
  });

/** The file of pinned host keys is damaged or not accessible. */
export const knownHostsBroken = (file: string, cause: unknown): CiError =>
  sshError({
    code: 'ssh/known-hosts',
    blame: 'controller',
    message: `The file with known host keys, ${file}, cannot be read or written (${messageOf(cause)}).`,
    advice: 'Fix its permissions or its JSON; deleting it forgets every pinned key.',
    result: 'NODE_FAILURE',
    cause,
  });

// An open connection

/** An established connection broke, or the other side ended it. */
export const connectionLost = (place: SshPlace, cause?: unknown): CiError =>
  sshError({
    code: 'ssh/connection-lost',
    message: `${at(place)}: the connection was lost (${cause === undefined ? 'the other side closed it' : messageOf(cause)}).`,
    retryable: true,
    isConnectionLost: true,
    isInterruption: true,
    cause,
  });

/** Recheck closed a connection that was in use, because of a deploy or because it stops. */
export const hostClosed = (label: string): CiError =>
  sshError({
    code: 'ssh/closed',
    blame: 'controller',
    message: `${label}: Recheck closed the connection.`,
    result: 'NODE_FAILURE',
    retryable: true,
    isInterruption: true,
  });

/** The server opened no further session on a connection. @param what a quoted command, or "file transfer (SFTP)" */
export const channelRefused = (label: string, what: string, cause: unknown): CiError =>
  sshError({
    code: 'ssh/channel-refused',
    message: `${label}: the server opened no channel for ${what} (${messageOf(cause)}). It may have reached its limit of sessions per connection.`,
    advice: 'Raise MaxSessions in its sshd_config.',
    retryable: true,
    sshRefusal: 'session',
    isInterruption: true,
    cause,
  });

/** The server opened a session, but not for this purpose. @param what a quoted command, or "file transfer (SFTP)" */
export const requestRefused = (label: string, what: string, cause: unknown): CiError =>
  sshError({
    code: 'ssh/request-refused',
    message: `${label}: the server refused ${what} (${messageOf(cause)}).`,
    advice:
      'See its log, and its settings for this account (ForceCommand, Subsystem, AllowTcpForwarding), for the reason.',
    sshRefusal: 'request',
    cause,
  });

/**
 * All sessions that a server permits stayed in use while a command waited for one.
 *
 * @param cause why the last attempt was refused
 */
export const noSessionFree = (milliseconds: number, cause: unknown): CiError =>
  sshError({
    code: 'ssh/channel-refused',
    message: `${cause === undefined ? '' : `${messageOf(cause)} `}No session became free within ${formatSeconds(milliseconds)}.`,
    retryable: true,
    sshRefusal: 'session',
    isInterruption: true,
    cause,
  });

/** The queue of commands that wait for a session on a server is full. */
export const tooManyWaiting = (count: number): CiError =>
  sshError({
    code: 'ssh/channel-refused',
    message: `${count} commands are already waiting for a session on the same SSH server. It is overloaded, or hangs.`,
    retryable: true,
    sshRefusal: 'session',
    isInterruption: true,
  });

/** The other machine cannot open a port whose connections are forwarded to this one. */
export const listenFailed = (label: string, address: string, port: number, cause: unknown): CiError =>
  sshError({
    code: 'ssh/listen',
    message: `${label}: cannot listen on ${address}:${port} there (${messageOf(cause)}).`,
    advice: "The port may be in use, or the server's AllowTcpForwarding may be off.",
    cause,
  });

/** The other machine cannot connect to the address that a connection is forwarded to. */
export const connectFromThere = (label: string, host: string, port: number, cause: unknown): CiError =>
  sshError({
    code: 'ssh/forward',
    message: `${label}: it could not connect to ${host}:${port} (${messageOf(cause)}).`,
    retryable: true,
    // A refusal comes from the machine itself, so that is up.
    loginFailure: /refused/i.test(messageOf(cause)) ? 'no-listener' : 'silent',
    isInterruption: true,
    cause,
  });
