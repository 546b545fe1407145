import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { knownHostsBroken } from '../errors/ssh.ts';
import { writeFileAtomicSync } from '../util/atomic-file.ts';
import { fingerprint } from './keys.ts';

/** A server's key as the file holds it. */
interface StoredKey {
  /** `ssh-ed25519`, …: asked for first at the next connection, so that a server with several keys shows the same. */
  type: string;
  fingerprint: string;
}

interface StoredHost {
  pinned?: StoredKey;
  offered?: StoredKey;
}

/** What is known of a server, as fingerprints (`SHA256:…`). */
export interface KnownHost {
  /** The key that is believed. */
  pinned?: string;
  /** The differing key that it last showed. */
  offered?: string;
}

/** The type that stands in a public key's wire form (RFC 4253, section 6.6). */
export const keyType = (key: Buffer): string => key.toString('latin1', 4, 4 + key.readUInt32BE(0));

const nameOf = (host: string, port: number): string => `[${host.toLowerCase()}]:${port}`;

/**
 * The servers' keys that are believed: the first one met is pinned, in a JSON file (mode 0600, replaced atomically).
 * The file is read at each question, so that several holders of one file agree. Every method throws a CiError where
 * the file cannot be read or written.
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

  /** The type of the pinned key, such as `ssh-ed25519`. */
  pinnedType(host: string, port: number): string | undefined {
    return this.#read()[nameOf(host, port)]?.pinned?.type;
  }

  /** Looks at the key that a server shows: true where it is the pinned one, or the first. Another is kept as `offered`. */
  check(host: string, port: number, key: Buffer): boolean {
    const hosts = this.#read();
    const name = nameOf(host, port);
    const shown: StoredKey = { type: keyType(key), fingerprint: fingerprint(key) };
    const known = hosts[name];
    const right = known?.pinned === undefined || known.pinned.fingerprint === shown.fingerprint;
    const next: StoredHost = right ? { pinned: shown } : { pinned: known.pinned, offered: shown };
    if (JSON.stringify(next) !== JSON.stringify(known)) this.#write({ ...hosts, [name]: next });
    return right;
  }

  /** Believes the differing key that the server last showed from now on. Changes nothing where it showed none. */
  accept(host: string, port: number): void {
    const hosts = this.#read();
    const offered = hosts[nameOf(host, port)]?.offered;
    if (offered !== undefined) this.#write({ ...hosts, [nameOf(host, port)]: { pinned: offered } });
  }

  /** Forgets the server: the next key it shows is pinned. */
  forget(host: string, port: number): void {
    const { [nameOf(host, port)]: gone, ...others } = this.#read();
    if (gone !== undefined) this.#write(others);
  }

  #read(): Record<string, StoredHost> {
    try {
      const hosts: unknown = JSON.parse(readFileSync(this.#file, 'utf8'));
      if (typeof hosts !== 'object' || hosts === null || Array.isArray(hosts)) throw new Error('it is no JSON object');
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
