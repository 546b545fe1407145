import { hostClosed } from '../errors/ssh.ts';
import { connectHost } from './connect.ts';
import { LINK_TIMES, type LinkTimes, SharedLink } from './connection/shared-link.ts';
import type { KnownHosts } from './known-hosts.ts';
import { targetKey } from './target-key.ts';
import type { Host, LinkHealth, SshTarget } from './types.ts';

/** One holder's handle of a shared connection. */
export interface Link {
  readonly target: SshTarget;
  readonly health: LinkHealth;
  /** Returns the connected host, waiting until the link is up. Rejects after an abort or a release. */
  host(signal?: AbortSignal): Promise<Host>;
  /** Calls back at each change of health, until the returned function is called or the link is released. */
  onHealth(callback: (health: LinkHealth) => void): () => void;
  /** If it is down, tries again now, since something may be fixed. */
  retry(): void;
  /** Gives the handle back. The connection stays up for a moment, in case it is acquired again, and while it is in use. */
  release(): void;
}

interface Shared {
  link: SharedLink;
  holders: number;
  /** Runs while nobody holds it. */
  grace?: NodeJS.Timeout;
}

/**
 * Shares connections: one for each target and its credentials, kept up as long as somebody holds it and a moment longer, so
 * that it survives a redeploy, which releases and acquires it again. One that is in use is not closed either: a guest that
 * is reached through it may outlive the settings that it was booted with.
 */
export class LinkPool {
  readonly #knownHosts: KnownHosts;
  readonly #times: LinkTimes;
  readonly #shared = new Map<string, Shared>();

  constructor(options: { knownHosts: KnownHosts; times?: Partial<LinkTimes> }) {
    this.#knownHosts = options.knownHosts;
    this.#times = { ...LINK_TIMES, ...options.times };
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

  /** Closes all connections, which rejects what their holders wait for. */
  close(): void {
    for (const shared of this.#shared.values()) {
      clearTimeout(shared.grace);
      shared.link.close();
    }
    this.#shared.clear();
  }

  #open(target: SshTarget): SharedLink {
    const { timeout, keepAlive } = this.#times;
    return new SharedLink(target.label, this.#times, (signal) =>
      connectHost(target, { knownHosts: this.#knownHosts, signal, timeout, keepAlive }),
    );
  }

  /** Closes a connection that nobody holds at the end of a grace period, unless it is in use then. */
  #closeUnused(key: string, shared: Shared): void {
    shared.grace = setTimeout(() => {
      if (shared.link.busy) {
        this.#closeUnused(key, shared);
        return;
      }
      this.#shared.delete(key);
      shared.link.close();
    }, this.#times.grace).unref();
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
