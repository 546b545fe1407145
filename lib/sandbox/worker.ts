import { join, resolve } from 'node:path';
import { noGuestAt } from '../errors/worker.ts';
import { connectHost } from '../ssh/connect.ts';
import { KnownHosts } from '../ssh/known-hosts.ts';
import { quote } from '../ssh/quote.ts';
import { imageFolder } from '../worker/names.ts';
import type { Worker } from '../worker/types.ts';
import { SandboxHypervisor, type SandboxTimes } from './worker/hypervisor.ts';
import { openMetadataLink } from './worker/metadata-link.ts';
import { DirectoryStorage } from './worker/storage.ts';

const LOGIN_TIME = 10_000;
const TIMES: SandboxTimes = { metadata: 60_000, script: 60_000 };

/** Settings of a sandbox worker. */
export interface SandboxWorkerOptions {
  /** Id of its configuration node. */
  id: string;
  label: string;
  slots: number;
  /** Folder of its images, clones and guests; one controller owns it. */
  root: string;
  /** Whether strangers' code may run here; not unless its operator said so. */
  acceptsUntrusted?: boolean;
  /** Milliseconds; what cloud-init would wait where missing. */
  times?: Partial<SandboxTimes>;
}

/**
 * The worker that needs nothing but this machine: clones are folders, guests are processes at loopback addresses of
 * their own. There is no wall around them: what runs in a guest may do all that this process may.
 */
export function sandboxWorker(options: SandboxWorkerOptions): Worker {
  const { id, label, slots, acceptsUntrusted = false } = options;
  const root = resolve(options.root);
  const hypervisor = new SandboxHypervisor(root, { ...TIMES, ...options.times });
  // Guests come with their host keys, so nothing is ever pinned in here.
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
      return connectHost(target, { knownHosts, signal, timeout: LOGIN_TIME });
    },
  };
}
