import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { PushOptions } from '../../support/gerrit-under-test.ts';

const run = promisify(execFile);

export interface RepositorySettings {
  /** The folder of the clone. */
  dir: string;
  /** ssh://… */
  url: string;
  /** Path of the private key. */
  keyFile: string;
  author: { name: string; email: string };
}

/** A clone from which changes are pushed with git over SSH. */
export class Repository {
  readonly #settings: RepositorySettings;
  /** The last push. Pushes run one after another, because they share a work tree. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(settings: RepositorySettings) {
    this.#settings = settings;
  }

  /** Pushes one commit on top of master for review and returns its id. A known Change-Id creates a new patchset. */
  push(options: PushOptions, changeId = `I${randomBytes(20).toString('hex')}`): Promise<string> {
    const done = this.#last.then(() => this.#push(options, changeId));
    this.#last = done.catch(() => {});
    return done;
  }

  async #push({ subject, files }: PushOptions, changeId: string): Promise<string> {
    const unique = randomBytes(6).toString('hex');
    const { dir, url } = this.#settings;
    if (!(await stat(dir).catch(() => undefined))) await this.#git('.', 'clone', '-q', url, dir);
    await this.#git(dir, 'fetch', '-q', 'origin');
    await this.#git(dir, 'checkout', '-q', '--detach', 'origin/master');
    for (const [name, content] of Object.entries(files ?? { [`${unique}.txt`]: `${unique}\n` })) {
      const path = join(dir, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content, { mode: content.startsWith('#!') ? 0o755 : 0o644 });
    }
    await this.#git(dir, 'add', '-A');
    const message = `${subject ?? `Change ${unique}`}\n\nChange-Id: ${changeId}\n`;
    await this.#git(dir, 'commit', '-q', '--allow-empty', '--cleanup=verbatim', '-m', message);
    await this.#git(dir, 'push', '-q', 'origin', 'HEAD:refs/for/master');
    return (await this.#git(dir, 'rev-parse', 'HEAD')).trim();
  }

  async #git(cwd: string, ...args: string[]): Promise<string> {
    const { keyFile, author } = this.#settings;
    const options = [
      'IdentitiesOnly=yes',
      'UserKnownHostsFile=/dev/null',
      'StrictHostKeyChecking=no',
      'LogLevel=ERROR',
    ];
    const env = {
      PATH: process.env.PATH,
      HOME: this.#settings.dir,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_SSH_COMMAND: `ssh -F /dev/null -i '${keyFile}' ${options.map((option) => `-o ${option}`).join(' ')}`,
      GIT_AUTHOR_NAME: author.name,
      GIT_AUTHOR_EMAIL: author.email,
      GIT_COMMITTER_NAME: author.name,
      GIT_COMMITTER_EMAIL: author.email,
    };
    const { stdout } = await run('git', args, { cwd, env, timeout: 60_000 });
    return stdout;
  }
}
