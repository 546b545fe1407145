import type { Duplex, Readable, Writable } from 'node:stream';
import type { SFTPWrapper } from 'ssh2';

/** An SSH server and the account to log in to. Its secrets never leave `lib/ssh`. */
export interface SshTarget {
  /** Its name in messages: `gerrit review.example.com`, `worker host-a`. */
  label: string;
  host: string;
  port: number;
  user: string;
  /** PEM or OpenSSH text of the private key. */
  privateKey: string;
  passphrase?: string;
  /**
   * The host key to trust: `SHA256:…`, or a public-key line (`ssh-ed25519 AAAA…`). If missing, the first key seen is pinned
   * in the known-hosts file and trusted from then on.
   */
  hostKey?: string;
  /**
   * Where the server looks for public keys, in the words of a message ("the SSH keys of this account in Gerrit's
   * settings"). If missing, the user's authorized_keys file.
   */
  keysPlace?: string;
  /** `none`: the server parses command lines itself, as Gerrit does. If missing, the user's login shell runs them. */
  shell?: 'none';
}

/** How a command ended: with an exit code or by a signal. */
export interface Exit {
  /** Missing if a signal ended it. */
  code?: number;
  /** Signal name without `SIG`. */
  signal?: string;
}

/** Input and limits of a command. */
export interface RunOptions {
  /** Written to the command's stdin, which is then closed. If missing, stdin is closed at once. */
  stdin?: string | Buffer;
  signal?: AbortSignal;
  /** Milliseconds; 60 s if missing. */
  timeout?: number;
  /** Bytes that are kept of stdout and of stderr (1 MiB if missing); the rest is dropped. */
  limit?: number;
}

/** How a command ended, and its output. */
export interface RunResult extends Exit {
  stdout: string;
  stderr: string;
}

/** A running command with its streams open. stdout and stderr are read only as fast as their reader: back-pressure works. */
export interface Running {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** Resolves when the command has ended and its output was read; rejects if the connection was lost. */
  exit: Promise<Exit>;
  /** What a login shell printed instead of running the command; '' once that runs, or if it printed nothing. */
  readonly noise?: string;
  /** Closes the channel. It does not end processes there: whoever starts one must end it. */
  close(): void;
}

/** A machine over SSH, or this one. All commands go through it, as argument arrays that are quoted here. */
export interface Host {
  /** Its name in messages. */
  readonly label: string;
  /**
   * Runs a command to its end and returns its exit and its bounded output, without what a login shell prints before it.
   * Rejects if it could not be run, at its time limit and at an abort; over SSH it may then run on: a command that must end
   * with its caller is for `runScript`.
   */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Starts a command and returns its streams. */
  start(argv: readonly string[], options?: { signal?: AbortSignal }): Promise<Running>;
  sftp(signal?: AbortSignal): Promise<SFTPWrapper>;
  /** Opens a connection from that machine to (host, port). */
  forwardOut(host: string, port: number, signal?: AbortSignal): Promise<Duplex>;
  /** Listens on that machine; each connection is passed on with its source address. Port 0 picks a free port. */
  forwardIn(
    address: string,
    port: number,
    onConnection: (socket: Duplex, source: { address: string; port: number }) => void,
  ): Promise<{ port: number; close(): Promise<void> }>;
  /** Aborts when the connection is lost or closed. */
  readonly gone: AbortSignal;
  /** Whether the connection is in use: by a command, a file transfer, a forwarded port. Missing if there is no connection. */
  readonly busy?: boolean;
  /**
   * What the login shell there printed before a command ran; '' for nothing. It is not part of any command's output.
   * Missing if no login shell runs the commands.
   */
  readonly noise?: string;
  /** How many sessions its server accepts on one connection; undefined as long as it has not refused one. */
  readonly sessionLimit?: number | undefined;
  close(): void;
}

/** Returns a machine, waiting while it cannot be reached. `Link.host` is one. */
export type HostSource = (signal: AbortSignal) => Promise<Host>;

/** The state of a shared connection, as its users show it. */
export interface LinkHealth {
  state: 'connecting' | 'up' | 'down';
  /** Why it is down. */
  error?: Error;
  /** Since when it is down, and when the next try is due: milliseconds since the epoch. */
  since?: number;
  retryAt?: number;
}
