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
import { CACHE, classPath, type GerritVersion, locked } from './jars.ts';
import { findJava } from './java.ts';

const run = promisify(execFile);

const JAVA_OPTIONS = [
  '-Xmx512m',
  '-Dflogger.backend_factory=com.google.common.flogger.backend.log4j.Log4jBackendFactory#getInstance',
  '-Dflogger.logging_context=com.google.gerrit.server.logging.LoggingContext#getInstance',
  join(import.meta.dirname, 'Gerrit.java'),
];

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await waitForEvent('server: close', server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

/** How to start one of Gerrit's programs. */
interface Runtime {
  java: string;
  version: GerritVersion;
  jars: string;
}

const argsOf = ({ jars }: Runtime, program: string[]): string[] => ['-cp', jars, ...JAVA_OPTIONS, ...program];

/** A site that was set up and never started, made once a version and copied from then on: that saves 11 s. */
async function freshSite(runtime: Runtime): Promise<string> {
  const site = join(CACHE, `site-${runtime.version}`);
  await locked(async () => {
    if (await stat(site).catch(() => undefined)) return;
    const half = await mkdtemp(join(CACHE, 'half-'));
    const init = ['Init', '--batch', '--dev', '--no-auto-start', '--skip-plugins', '-d', half];
    try {
      await run(runtime.java, argsOf(runtime, init), { timeout: 180_000 });
      await rename(half, site);
    } finally {
      await rm(half, { recursive: true, force: true });
    }
  });
  return site;
}

/** Fetches and makes all that a server needs, for a place without a network. */
export async function prepareGerrit(): Promise<void> {
  const { java, version } = await findJava();
  await freshSite({ java, version, jars: await classPath(version) });
}

/** A real Gerrit server on loopback, in a folder of its own, that dies with this process. */
export class GerritSite {
  readonly version: GerritVersion;
  readonly httpUrl: string;
  readonly sshPort: number;
  /** The temporary folder; the site is in there, and room for clones. */
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

  /** Makes a site with free ports; `start` runs it. */
  static async make(): Promise<GerritSite> {
    const { java, version } = await findJava();
    const runtime = { java, version, jars: await classPath(version) };
    const fresh = await freshSite(runtime);
    const dir = await mkdtemp(join(tmpdir(), 'real-gerrit-'));
    const site = new GerritSite(runtime, dir, await freePort(), await freePort());
    await cp(fresh, join(dir, 'site'), { recursive: true });
    await site.configure('httpd.listenUrl', `${site.httpUrl}/`);
    await site.configure('gerrit.canonicalWebUrl', `${site.httpUrl}/`);
    await site.configure('sshd.listenAddress', `127.0.0.1:${site.sshPort}`);
    await site.configure('sendemail.enable', 'false');
    return site;
  }

  /** Sets a value of gerrit.config; it counts from the next start on. */
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
    for (const end = Date.now() + 120_000; Date.now() < end; await sleep(200)) {
      if (child.exitCode !== null || child.signalCode !== null) break;
      const answer = await fetch(`${this.httpUrl}/config/server/version`).catch(() => undefined);
      if (answer?.ok) return;
    }
    await this.stop();
    throw new Error(`Gerrit did not start:\n${(await readFile(this.#log, 'utf8')).slice(-4000)}`);
  }

  /** Ends the server and waits until it is gone. Fine where it does not run. */
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
