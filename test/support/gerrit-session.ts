import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEvent } from '../../lib/gerrit/stream/parse.ts';
import type { GerritEvent } from '../../lib/gerrit/types.ts';
import { KnownHosts } from '../../lib/ssh/known-hosts.ts';
import { type Link, LinkPool } from '../../lib/ssh/link-pool.ts';
import type { RunResult, SshTarget } from '../../lib/ssh/types.ts';
import { exec, logIn, outcome } from './ssh-client.ts';
import { waitFor } from './wait.ts';

/** Connections to a Gerrit under test, closed together. */
export class GerritSession {
  readonly #dir: string;
  readonly pool: LinkPool;

  private constructor(dir: string) {
    this.#dir = dir;
    // A slow retry leaves time to act while the connection is down.
    this.pool = new LinkPool({ knownHosts: new KnownHosts(join(dir, 'known-hosts.json')), times: { first: 3_000 } });
  }

  static async open(): Promise<GerritSession> {
    return new GerritSession(await mkdtemp(join(tmpdir(), 'gerrit-session-')));
  }

  link(target: SshTarget): Link {
    return this.pool.acquire(target);
  }

  /** Runs a command through lib/ssh. */
  async run(target: SshTarget, argv: string[], stdin?: string): Promise<RunResult> {
    const link = this.pool.acquire(target);
    try {
      const host = await link.host(AbortSignal.timeout(30_000));
      return await host.run(argv, { stdin, timeout: 30_000 });
    } finally {
      link.release();
    }
  }

  async close(): Promise<void> {
    this.pool.close();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/** Runs a command line unchanged, without quoting, on a connection of its own. */
export async function runLine(target: SshTarget, line: string, stdin = ''): Promise<RunResult> {
  const { host, port, user: username, privateKey } = target;
  const client = await logIn({ host, port, username, privateKey });
  try {
    const running = await exec(client, line);
    // `end` would make ssh2 close the channel before the exit status arrives (lib/ssh/stdin.ts).
    if (stdin !== '') running.channel.write(stdin);
    running.channel.eof();
    const { exit, stdout, stderr } = await outcome(running);
    return { ...(typeof exit[0] === 'number' ? { code: exit[0] } : {}), stdout, stderr };
  } finally {
    client.end();
  }
}

/** Collects the events of these types that Gerrit sends from now on. */
export async function listen(
  link: Link,
  types: string[],
): Promise<{
  events: GerritEvent[];
  /** Waits for an event that matches, and returns it. */
  find(what: string, fits: (event: GerritEvent) => boolean): Promise<GerritEvent>;
  stop(): void;
}> {
  const host = await link.host(AbortSignal.timeout(30_000));
  const running = await host.start(['gerrit', 'stream-events', ...types.flatMap((type) => ['-s', type])]);
  const events: GerritEvent[] = [];
  let rest = '';
  running.stderr.resume();
  running.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) events.push(parseEvent(line)!);
  });
  // The answer to a later command on the same connection shows that the stream has begun.
  await host.run(['gerrit', 'version'], { timeout: 30_000 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  return {
    events,
    find: (what, fits) => waitFor(what, () => events.find(fits), 20_000),
    stop: () => running.close(),
  };
}
