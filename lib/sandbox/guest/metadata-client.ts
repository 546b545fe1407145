import { Agent, get, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** A guest's metadata. */
export interface InstanceMetadata {
  instanceId: string;
  hostname: string;
  /** Public-key lines. */
  publicKeys: string[];
  /** Empty if there is none. */
  userData: string;
}

const VERSION = '2009-04-04';
const MAX_BODY_BYTES = 1024 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const RETRY_DELAYS_MS = { first: 100, longest: 2_000 };

/**
 * Reads a guest's metadata in the order of cloud-init's EC2 data source: instance-id, hostname, public-keys, user-data.
 * Retries with growing delays until it has them or the time limit is reached, because the server may start late.
 *
 * @param options.address source address by which the server identifies the guest
 * @param options.timeout milliseconds in total
 * @throws Error with the last request and its answer
 */
export async function readMetadata(options: {
  baseUrl: string;
  address: string;
  timeout: number;
  log: (text: string) => void;
}): Promise<InstanceMetadata> {
  const deadline = Date.now() + options.timeout;
  const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress: options.address });
  const ask = async (path: string, missing: 'fine' | 'retry'): Promise<string | undefined> => {
    const url = `${options.baseUrl.replace(/\/+$/, '')}/${VERSION}/${path}`;
    let pause = RETRY_DELAYS_MS.first;
    for (;;) {
      let problem: string;
      try {
        const { status, body } = await request(
          url,
          agent,
          Math.max(1, Math.min(REQUEST_TIMEOUT_MS, deadline - Date.now())),
        );
        if (status === 200) return body;
        if (status === 404 && missing === 'fine') return undefined;
        problem = `the answer was ${status}`;
      } catch (error) {
        problem = (error as Error).message;
      }
      if (Date.now() + pause >= deadline) throw new Error(`no metadata from ${url}: ${problem}`);
      options.log(`metadata: ${url}: ${problem}; asking again`);
      await delay(pause);
      pause = Math.min(pause * 2, RETRY_DELAYS_MS.longest);
    }
  };
  try {
    const instanceId = (await ask('meta-data/instance-id', 'retry'))!;
    const hostname = (await ask('meta-data/hostname', 'fine')) ?? instanceId;
    const listing = (await ask('meta-data/public-keys/', 'fine')) ?? '';
    const publicKeys: string[] = [];
    for (const line of listing.split('\n')) {
      const index = /^(\d+)=/.exec(line)?.[1];
      const key = index === undefined ? undefined : await ask(`meta-data/public-keys/${index}/openssh-key`, 'fine');
      if (key !== undefined) publicKeys.push(key.trim());
    }
    const userData = (await ask('user-data', 'fine')) ?? '';
    return { instanceId, hostname, publicKeys, userData };
  } finally {
    agent.destroy();
  }
}

async function request(url: string, agent: Agent, timeout: number): Promise<{ status: number; body: string }> {
  const signal = AbortSignal.timeout(timeout);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(url, { agent, signal }, resolve).on('error', reject);
    });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) throw new Error(`the answer is longer than ${MAX_BODY_BYTES} bytes`);
      chunks.push(chunk);
    }
    return { status: response.statusCode!, body: Buffer.concat(chunks).toString('utf8') };
  } catch (error) {
    if (signal.aborted) throw new Error('no answer in time');
    throw error;
  }
}
