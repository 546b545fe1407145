import { join, resolve } from 'node:path';
import { noGuestAt } from '../errors/worker.ts';
import { connectHost } from '../ssh/connect.ts';
import { KnownHosts } from '../ssh/known-hosts.ts';
import { quote } from '../ssh/quote.ts';
import { imageFolder } from '../storage/names.ts';
import type { Worker } from '../worker/types.ts';
import { SandboxHypervisor, type SandboxTimes } from './worker/hypervisor.ts';
import { openMetadataLink } from './worker/metadata-link.ts';
import { DirectoryStorage } from './worker/storage.ts';

const LOGIN_TIMEOUT_MS = 10_000;
const DEFAULT_TIMES: SandboxTimes = { metadata: 60_000, script: 60_000 };

/** Settings of a sandbox worker. */
export interface SandboxWorkerOptions {
  /** Id of its config node. */
  id: string;
  label: string;
  slots: number;
  /** Folder of its images, clones and guests; it belongs to one controller. */
  root: string;
  /** Whether untrusted code may run here; false unless its operator allows it. */
  acceptsUntrusted?: boolean;
  /** Milliseconds; 60 s each if missing. */
  times?: Partial<SandboxTimes>;
}

/**
 * Returns the worker that needs only this machine: clones are folders, guests are processes with loopback addresses of
 * their own. They are not isolated: what runs in a guest may do everything that this process may do.
 */
export function sandboxWorker(options: SandboxWorkerOptions): Worker {
  const { id, label, slots, acceptsUntrusted = false } = options;
  const root = resolve(options.root);
  const hypervisor = new SandboxHypervisor(root, { ...DEFAULT_TIMES, ...options.times });
  // The hypervisor knows its guests' host keys, so nothing is ever pinned.
  const knownHosts = new KnownHosts(join(root, 'known-hosts.json'));
  return {
    id,
    label,
    slots,
    isolated: false,
    acceptsUntrusted,
    giveHostKeys: false,
    bootsSystems: false,
    storage: new DirectoryStorage(root),
    hypervisor,
    linkMetadata: (serve, { signal }) => openMetadataLink(label, serve, signal),
    manualCommands(image, guest) {
      const copy = `/tmp/recheck-${guest.name}`;
      return [
        quote(['cp', '-a', '--reflink=auto', join(root, 'images', imageFolder(image)), copy]),
        `${quote(['cd', copy])} && env -i HOME="$PWD" PATH="$PATH" LANG=C.UTF-8 bash`,
      ];
    },
    async login(login, { signal }) {
      const guest = hypervisor.identityAt(login.host);
      if (!guest) throw noGuestAt(label, login.host);
      const target = { ...login, hostKey: login.hostKey ?? guest.hostKey, label: `guest ${guest.domain}` };
      return connectHost(target, { knownHosts, signal, timeout: LOGIN_TIMEOUT_MS });
    },
  };
}
