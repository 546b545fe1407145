import { join } from 'node:path';
import type { ServerChannel } from 'ssh2';
import type { ReviewInput } from '../../lib/gerrit/types.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import type { SshTarget } from '../../lib/ssh/types.ts';
import type { TestRed } from './red.ts';
import { startSshServer, type TestSshOptions, type TestSshServer } from './ssh-server.ts';

/** A Gerrit that misbehaves on demand: its streams send what the test writes, and end or hang when it says so. */
export interface FakeGerrit {
  readonly server: TestSshServer;
  readonly target: SshTarget;
  /** Number of open streams. */
  readonly streams: Set<ServerChannel>;
  /** Number of streams opened so far. */
  opened: number;
  /** Whether it has stopped answering. */
  mute: boolean;
  /** Error text for clients that ask for a stream; streams are refused while it is set. */
  refusal: string | undefined;
  /** Reviews received: the command line as sent, and the review. */
  readonly reviews: { command: string; review: ReviewInput }[];
  /** Returns why a review is refused. */
  refuse: ((review: ReviewInput) => string | undefined) | undefined;
  /** Writes a line to each open stream; objects as JSON. */
  say(line: string | object): void;
  /** Ends the streams and keeps the connections. */
  endStreams(): void;
  close(): Promise<void>;
}

export async function startFakeGerrit(options: Partial<TestSshOptions> = {}): Promise<FakeGerrit> {
  const { privateKey, publicKey } = generateKeyPair('my-ci');
  const streams = new Set<ServerChannel>();
  const end = (channel: ServerChannel, code: number) => {
    channel.exit(code);
    channel.end();
  };
  const server = await startSshServer({
    authorized: [publicKey],
    ...options,
    answer(command, channel) {
      channel.on('error', () => {});
      channel.resume();
      if (fake.mute) return true;
      if (/^'?gerrit'? '?version/.test(command)) {
        channel.write('gerrit version 3.13.5\n');
        end(channel, 0);
      } else if (/^'?gerrit'? '?review/.test(command)) {
        let input = '';
        channel.on('data', (chunk: Buffer) => {
          input += chunk;
        });
        channel.once('end', () => {
          const review = JSON.parse(input) as ReviewInput;
          const refusal = fake.refuse?.(review);
          if (refusal === undefined) fake.reviews.push({ command, review });
          else channel.stderr.write(refusal);
          end(channel, refusal === undefined ? 0 : 1);
        });
      } else if (!/^'?gerrit'? '?stream-events/.test(command)) {
        // A query finds no changes.
        channel.write('{"type":"stats","rowCount":0}\n');
        end(channel, 0);
      } else if (fake.refusal !== undefined) {
        channel.stderr.write(fake.refusal);
        end(channel, 1);
      } else {
        fake.opened += 1;
        streams.add(channel);
        channel.on('close', () => streams.delete(channel));
      }
      return true;
    },
  });
  const fake: FakeGerrit = {
    server,
    target: { label: 'a Gerrit', host: '127.0.0.1', port: server.port, user: 'my-ci', privateKey, shell: 'none' },
    streams,
    opened: 0,
    mute: false,
    refusal: undefined,
    reviews: [],
    refuse: undefined,
    say(line) {
      for (const stream of streams) stream.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`);
    },
    endStreams() {
      for (const stream of streams) end(stream, 0);
    },
    close: () => server.close(),
  };
  return fake;
}

/**
 * Shortens the delays and time limits of a Node-RED's connections to Gerrit, from minutes to milliseconds. Its nodes must be
 * deployed again afterwards.
 *
 * @returns a function that closes the connections
 */
export async function shortenDelays(red: TestRed): Promise<() => void> {
  const runtime = red.runtime();
  // The compiled modules of the package, whose error classes its nodes compare with.
  const dist = join(import.meta.dirname, '..', '..', 'dist', 'lib');
  const { LinkPool } = (await import(join(dist, 'ssh/link-pool.js'))) as typeof import('../../lib/ssh/link-pool.ts');
  const { StreamPool } = (await import(join(dist, 'gerrit/stream.js'))) as typeof import('../../lib/gerrit/stream.ts');
  const pool = new LinkPool({ knownHosts: runtime.knownHosts, times: { first: 100, longest: 200, slow: 300 } });
  const streams = new StreamPool({ quiet: 300, probe: 300, settle: 50 });
  Object.assign(runtime, { pool, streams, connectLimit: 1000 });
  return () => {
    streams.close();
    pool.close();
  };
}
