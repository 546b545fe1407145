import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { connectHost } from '../../lib/ssh/connect.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import { KnownHosts } from '../../lib/ssh/known-hosts.ts';
import { localHost } from '../../lib/ssh/local.ts';
import { runScript, type Script, type ScriptResult } from '../../lib/ssh/script.ts';
import type { Host } from '../../lib/ssh/types.ts';
import { startSshServer, type TestSshServer } from './ssh-server.ts';
import { runs } from './wait.ts';

export interface Outcome extends ScriptResult {
  output: string;
}

/** Runs a script with default settings and collects its output. */
export async function run(
  host: Host,
  text: string,
  more: Partial<Script> & { signal?: AbortSignal } = {},
): Promise<Outcome> {
  let output = '';
  const { signal = new AbortController().signal, ...rest } = more;
  const result = await runScript(
    host,
    { text, interpreter: '/bin/bash -e', env: {}, timeout: 20_000, ...rest },
    {
      signal,
      onOutput: (chunk) => {
        output += chunk;
      },
    },
  );
  return { ...result, output };
}

export const pidsIn = (file: string): number[] => readFileSync(file, 'utf8').trim().split(/\s+/).map(Number);

export async function allGone(pids: number[]): Promise<void> {
  assert.ok(pids.length > 0 && pids.every((pid) => pid > 1));
  for (const pid of pids) assert.equal(await runs(pid), false, `process ${pid} still runs`);
}

/** The machines on which the scripts of a test file run. */
export interface ScriptTests {
  /** A temporary folder of the test file. */
  readonly dir: string;
  /** The folder in which targets keep the files of scripts, and nothing else. */
  readonly files: string;
  noFilesLeft(): void;
  /** Opens a connection to the SSH server of these tests. */
  login(): Promise<Host>;
  server(): TestSshServer;
  /** Declares the same tests for this machine and for a host over SSH. */
  onBoth(declare: (host: () => Host) => void): void;
}

export function scriptTests(): ScriptTests {
  const dir = mkdtempSync(join(tmpdir(), 'script-'));
  const files = join(dir, 'files');
  mkdirSync(files);
  process.env['TMPDIR'] = files;
  const own = generateKeyPair('ci');
  const local = localHost();
  let server: TestSshServer;
  let remote: Host;
  const login = (): Promise<Host> =>
    connectHost(
      { label: 'guest', host: '127.0.0.1', port: server.port, user: 'me', privateKey: own.privateKey },
      { knownHosts: new KnownHosts(join(dir, 'hosts.json')) },
    );
  before(async () => {
    server = await startSshServer({ authorized: [own.publicKey] });
    remote = await login();
  });
  after(async () => {
    local.close();
    remote.close();
    await server.close();
    rmSync(dir, { recursive: true });
  });
  return {
    dir,
    files,
    noFilesLeft: () => assert.deepEqual(readdirSync(files), []),
    login,
    server: () => server,
    onBoth(declare) {
      describe('on this machine', () => declare(() => local));
      describe('over SSH', () => declare(() => remote));
    },
  };
}
