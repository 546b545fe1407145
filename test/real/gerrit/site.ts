import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { end } from '../../support/child.ts';
import { waitForEvent } from '../../support/wait.ts';
import { CACHE, type GerritVersion, provideClassPath, withCacheLock } from './jars.ts';
import { findJava } from './java.ts';

const run = promisify(execFile);

const JAVA_OPTIONS = [
  '-Xmx512m',
  '-Dflogger.backend_factory=com.google.common.flogger.backend.log4j.Log4jBackendFactory#getInstance',
  '-Dflogger.logging_context=com.google.gerrit.server.logging.LoggingContext#getInstance',
  join(import.meta.dirname, 'Gerrit.java'),
];

/** Returns a port that was free a moment ago. */
async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await waitForEvent('server: close', server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

/** What is needed to start one of Gerrit's programs. */
interface Runtime {
  java: string;
  version: GerritVersion;
  jars: string;
}

const argsOf = ({ jars }: Runtime, program: string[]): string[] => ['-cp', jars, ...JAVA_OPTIONS, ...program];

/** Returns an initialized site that was never started. It is created once per version and copied, which saves 11 s. */
async function provideFreshSite(runtime: Runtime): Promise<string> {
  const site = join(CACHE, `site-${runtime.version}`);
  await withCacheLock(async () => {
    if (await stat(site).catch(() => undefined)) return;
    const unfinished = await mkdtemp(join(CACHE, 'half-'));
    const init = ['Init', '--batch', '--dev', '--no-auto-start', '--skip-plugins', '-d', unfinished];
    try {
      await run(runtime.java, argsOf(runtime, init), { timeout: 180_000 });
      await rename(unfinished, site);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  });
  return site;
}

/** Downloads and prepares everything that a server needs, for use without a network. */
export async function prepareGerrit(): Promise<void> {
  const { java, version } = await findJava();
  await provideFreshSite({ java, version, jars: await provideClassPath(version) });
}

/** Timeout for a start: 20 s on an idle machine, more than two minutes at a load of 15. */
const START_TIMEOUT_MS = 300_000;

/** A real Gerrit server on loopback, in a temporary folder, that ends with this process. */
export class GerritSite {
  readonly version: GerritVersion;
  readonly httpUrl: string;
  readonly sshPort: number;
  /** The temporary folder, which contains the site and may contain clones. */
  readonly dir: string;
  readonly #runtime: Runtime;
  #process: ChildProcess | undefined;

  private constructor(runtime: Runtime, dir: string, httpPort: number, sshPort: number) {
    this.#runtime = runtime;
    this.version = runtime.version;
    this.dir = dir;
    this.httpUrl = `http://127.0.0.1:${httpPort}`;
    this.sshPort = sshPort;
  }

  /** Creates a site with free ports; `start` runs it. */
  static async make(): Promise<GerritSite> {
    const { java, version } = await findJava();
    const runtime = { java, version, jars: await provideClassPath(version) };
    const fresh = await provideFreshSite(runtime);
    const dir = await mkdtemp(join(tmpdir(), 'real-gerrit-'));
    const site = new GerritSite(runtime, dir, await findFreePort(), await findFreePort());
    await cp(fresh, join(dir, 'site'), { recursive: true });
    await site.configure('httpd.listenUrl', `${site.httpUrl}/`);
    await site.configure('gerrit.canonicalWebUrl', `${site.httpUrl}/`);
    await site.configure('sshd.listenAddress', `127.0.0.1:${site.sshPort}`);
    await site.configure('sendemail.enable', 'false');
    return site;
  }

  /** Sets a value in gerrit.config, which takes effect at the next start. */
  async configure(key: string, value: string): Promise<void> {
    await run('git', ['config', '-f', join(this.dir, 'site', 'etc', 'gerrit.config'), key, value]);
  }

  async start(): Promise<void> {
    const log = await open(this.#log, 'a');
    const args = argsOf(this.#runtime, ['Daemon', '-d', join(this.dir, 'site'), '--console-log', '--headless']);
    const child = spawn(this.#runtime.java, args, { stdio: ['pipe', log.fd, log.fd], cwd: this.dir });
    child.stdin?.on('error', () => {});
    this.#process = child;
    await log.close();
    for (const end = Date.now() + START_TIMEOUT_MS; Date.now() < end; await sleep(200)) {
      if (child.exitCode !== null || child.signalCode !== null) break;
      const answer = await fetch(`${this.httpUrl}/config/server/version`).catch(() => undefined);
      if (answer?.ok) return;
    }
    await this.stop();
    throw new Error(`Gerrit did not start:\n${(await readFile(this.#log, 'utf8')).slice(-4000)}`);
  }

  /** Stops the server and waits for its end. Does nothing if it is not running. */
  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined) return;
    const killer = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await end(child, 'SIGTERM', 30_000);
    clearTimeout(killer);
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  get #log(): string {
    return join(this.dir, 'daemon.log');
  }
}
