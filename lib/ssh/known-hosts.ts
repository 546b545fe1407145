import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { knownHostsBroken } from '../errors/ssh.ts';
import { writeFileAtomicSync } from '../util/atomic-file.ts';
import { isRecord } from '../util/is-record.ts';
import { fingerprint } from './keys.ts';

/** A server's key in the file. */
interface StoredKey {
  /** `ssh-ed25519`, …: asked for first at the next connection, so that a server with several keys shows the same one. */
  type: string;
  fingerprint: string;
}

interface StoredHost {
  pinned?: StoredKey;
  offered?: StoredKey;
}

/** What is known about a server, as fingerprints (`SHA256:…`). */
export interface KnownHost {
  /** The trusted key. */
  pinned?: string;
  /** The other key that it last showed. */
  offered?: string;
}

/** Returns the type of a public key in SSH's wire format (RFC 4253, section 6.6). */
export const keyType = (key: Buffer): string => key.toString('latin1', 4, 4 + key.readUInt32BE(0));

const nameOf = (host: string, port: number): string => `[${host.toLowerCase()}]:${port}`;

/**
 * The trusted host keys: the first key that a server shows is pinned, in a JSON file (mode 0600, replaced atomically).
 * The file is read at each call, so that several users of one file agree. Every method throws a CiError if the file cannot
 * be read or written.
 */
export class KnownHosts {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  entry(host: string, port: number): KnownHost {
    const stored = this.#read()[nameOf(host, port)];
    return { pinned: stored?.pinned?.fingerprint, offered: stored?.offered?.fingerprint };
  }

  /** Returns the type of the pinned key, such as `ssh-ed25519`. */
  pinnedType(host: string, port: number): string | undefined {
    return this.#read()[nameOf(host, port)]?.pinned?.type;
  }

  /** Returns whether a server's key is trusted: the pinned one, or the first. Another is kept as `offered`. */
  check(host: string, port: number, key: Buffer): boolean {
    const hosts = this.#read();
    const name = nameOf(host, port);
    const shown: StoredKey = { type: keyType(key), fingerprint: fingerprint(key) };
    const known = hosts[name];
    const isTrusted = known?.pinned === undefined || known.pinned.fingerprint === shown.fingerprint;
    const next: StoredHost = isTrusted ? { pinned: shown } : { pinned: known.pinned, offered: shown };
    if (JSON.stringify(next) !== JSON.stringify(known)) this.#write({ ...hosts, [name]: next });
    return isTrusted;
  }

  /** Trusts the other key that the server last showed from now on. Does nothing if it showed none. */
  accept(host: string, port: number): void {
    const hosts = this.#read();
    const offered = hosts[nameOf(host, port)]?.offered;
    if (offered !== undefined) this.#write({ ...hosts, [nameOf(host, port)]: { pinned: offered } });
  }

  /** Forgets the server: the next key that it shows is pinned. */
  forget(host: string, port: number): void {
    const { [nameOf(host, port)]: gone, ...others } = this.#read();
    if (gone !== undefined) this.#write(others);
  }

  #read(): Record<string, StoredHost> {
    try {
      const hosts: unknown = JSON.parse(readFileSync(this.#file, 'utf8'));
      if (!isRecord(hosts)) throw new Error('it is not a JSON object');
      return hosts as Record<string, StoredHost>;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      throw knownHostsBroken(this.#file, error);
    }
  }

  #write(hosts: Record<string, StoredHost>): void {
    try {
      mkdirSync(dirname(this.#file), { recursive: true });
      writeFileAtomicSync(this.#file, `${JSON.stringify(hosts, undefined, 2)}\n`);
    } catch (error) {
      throw knownHostsBroken(this.#file, error);
    }
  }
}
