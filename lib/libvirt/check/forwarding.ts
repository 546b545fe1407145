import { messageOf } from '../../errors/ci-error.ts';
import type { Host } from '../../ssh/types.ts';
import type { Check } from './item.ts';

const FORWARDING_TIMEOUT_MS = 45_000;

/** Tries port forwarding in both directions: guests are reached, and reach their metadata, through forwarded ports. */
export async function checkForwarding(host: Host, signal: AbortSignal): Promise<Check[]> {
  const late = AbortSignal.any([signal, AbortSignal.timeout(FORWARDING_TIMEOUT_MS)]);
  try {
    const { promise: arrived, resolve } = Promise.withResolvers<void>();
    const listener = await host.forwardIn('127.0.0.1', 0, (socket) => {
      socket.destroy();
      resolve();
    });
    try {
      const socket = await host.forwardOut('127.0.0.1', listener.port, late);
      await Promise.race([arrived, aborted(late)]);
      socket.destroy();
    } finally {
      await listener.close();
    }
    return [];
  } catch (error) {
    signal.throwIfAborted();
    if (host.gone.aborted) throw error;
    const fix =
      "echo 'AllowTcpForwarding yes' > /etc/ssh/sshd_config.d/recheck-forwarding.conf && systemctl reload ssh";
    return [{ what: 'forwarding', ok: false, detail: messageOf(error), fix }];
  }
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
