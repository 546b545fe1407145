import { hostClosed } from '../errors/ssh.ts';
import { connectHost } from './connect.ts';
import type { KnownHosts } from './known-hosts.ts';
import { SharedLink, TEMPO, type Tempo } from './shared-link.ts';
import { targetKey } from './target-key.ts';
import type { Host, LinkHealth, SshTarget } from './types.ts';

/** One holder's hand on a shared connection. */
export interface Link {
  readonly target: SshTarget;
  readonly health: LinkHealth;
  /** The connected host: at once where the link is up, else as soon as it is. Rejects after an abort or a release. */
  host(signal?: AbortSignal): Promise<Host>;
  /** Calls back at each change of health, until the returned function is called or the link is released. */
  onHealth(callback: (health: LinkHealth) => void): () => void;
  /** Tries again now, where it is down: something was mended. */
  retry(): void;
  /** Lets go. The connection stays for a moment, in case that it is acquired again, and while anything runs over it. */
  release(): void;
}

interface Shared {
  link: SharedLink;
  holders: number;
  /** Runs while nobody holds it. */
  grace?: NodeJS.Timeout;
}

/**
 * The connections that are shared: one for each target and its credentials, kept up as long as somebody holds it and a
 * moment longer, so that a redeploy, which releases and acquires again, cuts nothing. Nor is one cut that is in use: a
 * guest that is reached through it may outlive the settings that it was booted by.
 */
export class LinkPool {
  readonly #knownHosts: KnownHosts;
  readonly #tempo: Tempo;
  readonly #shared = new Map<string, Shared>();

  constructor(options: { knownHosts: KnownHosts; tempo?: Partial<Tempo> }) {
    this.#knownHosts = options.knownHosts;
    this.#tempo = { ...TEMPO, ...options.tempo };
  }

  acquire(target: SshTarget): Link {
    const key = targetKey(target);
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = { link: this.#open(target), holders: 0 };
      this.#shared.set(key, shared);
    }
    shared.holders += 1;
    clearTimeout(shared.grace);
    return this.#handle(key, shared, target);
  }

  /** Closes all connections at once, and makes their holders' waits reject. */
  close(): void {
    for (const shared of this.#shared.values()) {
      clearTimeout(shared.grace);
      shared.link.close();
    }
    this.#shared.clear();
  }

  #open(target: SshTarget): SharedLink {
    const { timeout, keepAlive } = this.#tempo;
    return new SharedLink(target.label, this.#tempo, (signal) =>
      connectHost(target, { knownHosts: this.#knownHosts, signal, timeout, keepAlive }),
    );
  }

  /** Closes a connection that nobody holds, once nothing has run over it at the end of a grace. */
  #closeUnused(key: string, shared: Shared): void {
    shared.grace = setTimeout(() => {
      if (shared.link.busy) {
        this.#closeUnused(key, shared);
        return;
      }
      this.#shared.delete(key);
      shared.link.close();
    }, this.#tempo.grace).unref();
  }

  #handle(key: string, shared: Shared, target: SshTarget): Link {
    const { link } = shared;
    const stops = new Set<() => void>();
    const released = new AbortController();
    return {
      target,
      get health() {
        return link.health;
      },
      host: (signal) => {
        if (released.signal.aborted) return Promise.reject(released.signal.reason);
        return link.host(signal ? AbortSignal.any([signal, released.signal]) : released.signal);
      },
      onHealth: (callback) => {
        if (released.signal.aborted) return () => {};
        const stop = link.onHealth(callback);
        stops.add(stop);
        return () => {
          stop();
          stops.delete(stop);
        };
      },
      retry: () => link.retry(),
      release: () => {
        if (released.signal.aborted) return;
        released.abort(hostClosed(target.label));
        for (const stop of stops) stop();
        shared.holders -= 1;
        if (shared.holders > 0 || this.#shared.get(key) !== shared) return;
        this.#closeUnused(key, shared);
      },
    };
  }
}
