import type { Duplex, Readable, Writable } from 'node:stream';
import type { SFTPWrapper } from 'ssh2';

/** Where to connect and as whom. Secrets in here never leave `lib/ssh`. */
export interface SshTarget {
  /** What messages call it: `gerrit review.example.com`, `worker host-a`. */
  label: string;
  host: string;
  port: number;
  user: string;
  /** PEM or OpenSSH text of the private key. */
  privateKey: string;
  passphrase?: string;
  /**
   * The server's key that is believed: `SHA256:…`, or a public-key line (`ssh-ed25519 AAAA…`). Missing: the first one
   * met is pinned in the known-hosts file and believed from then on.
   */
  hostKey?: string;
  /**
   * Where the server looks for public keys, as a message says it ("the SSH keys of this account in Gerrit's settings").
   * Missing: the user's authorized_keys file.
   */
  keysPlace?: string;
  /** `none`: the server reads command lines itself, as Gerrit does. Missing: the user's login shell runs them. */
  shell?: 'none';
}

export interface Exit {
  /** Missing where a signal ended it. */
  code?: number;
  /** Signal name without `SIG`. */
  signal?: string;
}

export interface RunOptions {
  /** Sent to the command's stdin, which is then closed. Without it stdin is closed at once. */
  stdin?: string | Buffer;
  signal?: AbortSignal;
  /** Milliseconds; 60 s where missing. */
  timeout?: number;
  /** Bytes kept of each of stdout and stderr (1 MiB where missing); more is dropped. */
  limit?: number;
}

export interface RunResult extends Exit {
  stdout: string;
  stderr: string;
}

/** A command that runs, its streams open. Nothing is read from stdout or stderr before somebody reads: back-pressure holds. */
export interface Running {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** Settles when the command has ended and its output was read; rejects where the connection was lost. */
  exit: Promise<Exit>;
  /** What a login shell printed in place of running the command; '' once that runs, or if it printed nothing. */
  readonly noise?: string;
  /** Closes the channel. It does not end processes there: who starts one owns its end. */
  close(): void;
}

/** A machine: over SSH, or this one. The one door through which commands go: argument arrays, quoted there. */
export interface Host {
  /** As messages call it. */
  readonly label: string;
  /**
   * Runs a command to its end and gives its exit and its (bounded) output: the program's own, without what a login shell
   * prints before it. Rejects where it could not be run, at its
   * time limit and at an abort; over SSH it may then go on there: what must end with its caller is for `runScript`.
   */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Starts a command and hands over its streams. */
  start(argv: readonly string[], options?: { signal?: AbortSignal }): Promise<Running>;
  sftp(signal?: AbortSignal): Promise<SFTPWrapper>;
  /** A connection from that machine to (host, port). */
  forwardOut(host: string, port: number, signal?: AbortSignal): Promise<Duplex>;
  /** Listens on that machine; each connection arrives here with its source. Port 0 chooses one. */
  forwardIn(
    address: string,
    port: number,
    onConnection: (socket: Duplex, source: { address: string; port: number }) => void,
  ): Promise<{ port: number; close(): Promise<void> }>;
  /** Aborts when the connection is lost or closed. */
  readonly gone: AbortSignal;
  /** Whether anything runs over the connection now: a command, a transfer, a forwarded port. Missing where there is none. */
  readonly busy?: boolean;
  /**
   * What the login shell there printed before a command ran; '' for nothing. It is left out of what commands give.
   * Missing if no login shell runs them.
   */
  readonly noise?: string;
  /** How many sessions its server takes on one connection, as far as it refused one; a further connection is made then. */
  readonly sessionLimit?: number | undefined;
  close(): void;
}

/** Gives a machine, waiting while it cannot be reached. `Link.host` is one. */
export type HostSource = (signal: AbortSignal) => Promise<Host>;

/** How a shared connection is doing, as its users show it. */
export interface LinkHealth {
  state: 'connecting' | 'up' | 'down';
  /** Why it is down. */
  error?: Error;
  /** Since when it is down, and when it is tried again: milliseconds since the epoch. */
  since?: number;
  retryAt?: number;
}
