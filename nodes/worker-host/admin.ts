import type { NodeAPI, NodeDef } from 'node-red';
import { type Check, checkHost, unreachableCheck } from '../../lib/libvirt/check.ts';
import { connectHost } from '../../lib/ssh/connect.ts';
import type { Host } from '../../lib/ssh/types.ts';
import { isRecord } from '../../lib/util/is-record.ts';
import type { ImageSpec } from '../../lib/worker/types.ts';
import { answer } from '../shared/admin.ts';
import { configNode, type VmImageNode } from '../shared/config-nodes.ts';
import { runtimeOf } from '../shared/runtime.ts';
import { rowsOf } from '../shared/settings.ts';
import { checkSettings, type Machine, machineOf, type WorkerConfig } from './settings.ts';

/** Time limits of the connection, and of the whole check: the editor waits a minute. */
const CONNECT_TIMEOUT_MS = 15_000;
const CHECK_TIMEOUT_MS = 55_000;

/** Serves the button "Check this host": POST recheck/check/worker-host {id, config} returns {ok, checks}. */
export function workerAdmin(RED: NodeAPI): void {
  RED.httpAdmin.post(
    '/recheck/check/worker-host',
    RED.auth.needsPermission('worker-host.write'),
    answer(async (req) => {
      const body: unknown = req.body;
      if (!isRecord(body) || !isRecord(body['config'])) throw new Error('The form sent no settings to check.');
      const config = body['config'] as unknown as WorkerConfig;
      const images = uefiImages(RED, String(body['id']));
      const checks = await check(RED, { ...config, kind: 'libvirt' }, images, AbortSignal.timeout(CHECK_TIMEOUT_MS));
      return { ok: checks.every(({ ok }) => ok), checks };
    }),
  );
}

async function check(
  RED: NodeAPI,
  config: WorkerConfig,
  images: readonly string[],
  signal: AbortSignal,
): Promise<Check[]> {
  const runtime = runtimeOf(RED);
  let host: Host;
  let machine: Machine;
  try {
    machine = machineOf(RED, runtime, config);
    const target = await machine.target?.();
    // One attempt on a separate connection: the shared one may be waiting to reconnect.
    host = target
      ? await connectHost(target, { knownHosts: runtime.knownHosts, timeout: CONNECT_TIMEOUT_MS, signal })
      : await machine.source(signal);
  } catch (error) {
    return [unreachableCheck(error)];
  }
  try {
    const settings = { ...checkSettings(RED, runtime, config, machine), uefiImages: images };
    return await checkHost(host, settings, signal);
  } finally {
    host.close();
  }
}

/** Returns the names of images with UEFI that the deployed flow clones on a worker host. */
function uefiImages(RED: NodeAPI, worker: string): string[] {
  const names = new Set<string>();
  RED.nodes.eachNode((node) => {
    const { type, hosts, image } = node as NodeDef & { hosts?: unknown; image?: string };
    if (type !== 'clone-image' || !rowsOf<string>(hosts).includes(worker)) return;
    const spec = specOf(configNode(RED, 'vm-image', image));
    if (spec?.firmware === 'uefi') names.add(spec.name);
  });
  return [...names];
}

/** Returns the node's image; undefined if its settings are not valid, which builds that use it report. */
function specOf(node: VmImageNode | undefined): ImageSpec | undefined {
  try {
    return node?.spec();
  } catch {
    return undefined;
  }
}
