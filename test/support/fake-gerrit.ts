import { join } from 'node:path';
import type { ServerChannel } from 'ssh2';
import type { ReviewInput } from '../../lib/gerrit/types.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import type { SshTarget } from '../../lib/ssh/types.ts';
import type { TestRed } from './red.ts';
import { startSshServer, type TestSshOptions, type TestSshServer } from './ssh-server.ts';

/** A Gerrit as bad as a test wants it: its streams say what the test writes, rubbish too, and end or hang at its word. */
export interface FakeGerrit {
  readonly server: TestSshServer;
  readonly target: SshTarget;
  /** Streams that are open. */
  readonly streams: Set<ServerChannel>;
  /** How many were opened so far. */
  opened: number;
  /** Whether it answers nothing any more. */
  mute: boolean;
  /** What it says to who wants to stream, where it refuses. */
  refusal: string | undefined;
  /** Reviews that it was given: the command line as it came, and the review itself. */
  readonly reviews: { command: string; review: ReviewInput }[];
  /** Says what is wrong with a review that it does not take. */
  refuse: ((review: ReviewInput) => string | undefined) | undefined;
  /** Writes a line into each open stream; an object as JSON. */
  say(line: string | object): void;
  /** Ends the streams; the connections stay. */
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
        // No changes are known here.
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
 * Lets a Node-RED lose patience soon: what waits seconds and minutes in life waits for a moment. Its nodes must be
 * deployed again after this.
 *
 * @returns ends the connections
 */
export async function hurry(red: TestRed): Promise<() => void> {
  const runtime = red.runtime();
  // As the package has them compiled: its errors are known by their class.
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
