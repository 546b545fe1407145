import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { badFileName, gitFailed, gitMissing } from '../../../errors/sandbox.ts';
import type { Account } from './types.ts';

/** Milliseconds per git command. */
const COMMAND_TIMEOUT_MS = 60_000;
/** Bytes of output kept. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Files of a commit, their text by path; `undefined` deletes one. */
export type CommitFiles = Record<string, string | undefined>;

/**
 * The sandbox's bare repository. Git gets argument arrays, and does not read the configuration of this machine or user.
 */
export class Repository {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Opens the bare repository, creating it if it is missing. @throws CiError if there is no git */
  static async open(path: string): Promise<Repository> {
    const repository = new Repository(path);
    const there = await access(join(path, 'HEAD')).then(
      () => true,
      () => false,
    );
    if (!there) {
      await mkdir(path, { recursive: true });
      await repository.#run(['init', '--quiet', '--bare', path], { bare: false });
      await repository.#run(['symbolic-ref', 'HEAD', 'refs/heads/master']);
    }
    return repository;
  }

  /** Returns the commit of a revision, or undefined. */
  async resolve(revision: string): Promise<string | undefined> {
    const out = await this.#run(['rev-parse', '--quiet', '--verify', '--end-of-options', `${revision}^{commit}`], {
      fails: true,
    });
    return out.trim() || undefined;
  }

  /** Creates a commit with the parent's files and these on top. @returns its id */
  async commit(spec: { parent?: string; files: CommitFiles; message: string; author: Account; date: number }) {
    for (const path of Object.keys(spec.files)) checkPath(path);
    const index = join(this.path, `index-${randomBytes(6).toString('hex')}`);
    try {
      const env = { GIT_INDEX_FILE: index };
      if (spec.parent) await this.#run(['read-tree', spec.parent], { env });
      const lines: string[] = [];
      for (const [path, text] of Object.entries(spec.files)) {
        if (text === undefined) lines.push(`0 ${'0'.repeat(40)}\t${path}\0`);
        else {
          const blob = (await this.#run(['hash-object', '-w', '--stdin'], { input: text })).trim();
          lines.push(`${path.endsWith('.sh') ? '100755' : '100644'} ${blob}\t${path}\0`);
        }
      }
      await this.#run(['update-index', '-z', '--index-info'], { env, input: lines.join('') });
      const tree = (await this.#run(['write-tree'], { env })).trim();
      return await this.commitTree(tree, spec.parent ? [spec.parent] : [], spec);
    } finally {
      await rm(index, { force: true });
    }
  }

  /** Creates a commit of a tree; `date` in milliseconds since the epoch. @returns its id */
  async commitTree(
    tree: string,
    parents: readonly string[],
    { message, author, date }: { message: string; author: Account; date: number },
  ): Promise<string> {
    const email = author.email ?? `${author.username}@localhost`;
    const when = `${Math.floor(date / 1000)} +0000`;
    const env = {
      GIT_AUTHOR_NAME: author.name,
      GIT_AUTHOR_EMAIL: email,
      GIT_AUTHOR_DATE: when,
      GIT_COMMITTER_NAME: author.name,
      GIT_COMMITTER_EMAIL: email,
      GIT_COMMITTER_DATE: when,
    };
    return (
      await this.#run(['commit-tree', ...parents.flatMap((parent) => ['-p', parent]), tree], { env, input: message })
    ).trim();
  }

  /** Sets a ref, creating it if it is missing. */
  async updateRef(ref: string, revision: string): Promise<void> {
    await this.#run(['update-ref', ref, revision]);
  }

  /** Returns the tree of a commit. */
  async tree(revision: string): Promise<string> {
    return (await this.#run(['rev-parse', '--verify', `${revision}^{tree}`])).trim();
  }

  /** Returns the merge base of two commits, or undefined. */
  async mergeBase(a: string, b: string): Promise<string | undefined> {
    return (await this.#run(['merge-base', a, b], { fails: true })).trim() || undefined;
  }

  /** Returns the lines added and deleted between two commits by path (none for binary files). */
  async diff(from: string, to: string): Promise<{ path: string; added: number; deleted: number }[]> {
    const out = await this.#run(['diff-tree', '-r', '-z', '--no-renames', '--numstat', from, to]);
    return out
      .split('\0')
      .filter(Boolean)
      .map((row) => {
        const [added = '', deleted = '', path = ''] = row.split('\t');
        return { path, added: Number.parseInt(added, 10) || 0, deleted: Number.parseInt(deleted, 10) || 0 };
      });
  }

  /** Returns the output of `git diff` between two commits. */
  patch(from: string, to: string): Promise<string> {
    return this.#run(['diff-tree', '-p', '--no-color', '--no-ext-diff', '--no-textconv', from, to]);
  }

  /** Returns the text of a file in a commit; undefined if the commit does not contain it. */
  async file(revision: string, path: string): Promise<string | undefined> {
    const listed = await this.#run(['ls-tree', '-z', revision, '--', path]);
    const blob = /^\d+ blob ([0-9a-f]{40,64})\t/.exec(listed)?.[1];
    return blob && this.#run(['cat-file', 'blob', blob]);
  }

  /**
   * Starts `git upload-pack` on the repository to serve one fetch over its streams. `protocol` is the client's
   * GIT_PROTOCOL; `stateless` serves one request of the HTTP protocol. The caller ends it.
   */
  uploadPack(options: { protocol?: string; stateless?: 'advertise' | 'serve' } = {}): ChildProcessWithoutNullStreams {
    const flags = { advertise: ['--stateless-rpc', '--advertise-refs'], serve: ['--stateless-rpc'] };
    const version = /^version=[0-2]$/.test(options.protocol ?? '') ? { GIT_PROTOCOL: options.protocol } : {};
    return this.#spawn(
      ['upload-pack', '--strict', ...(options.stateless ? flags[options.stateless] : []), this.path],
      version,
      false,
    );
  }

  #spawn(args: readonly string[], env: NodeJS.ProcessEnv, bare = true): ChildProcessWithoutNullStreams {
    // The folder may belong to another user (a container's volume).
    const own = ['-c', `safe.directory=${this.path}`, '-c', 'core.hooksPath=/dev/null', '-c', 'gc.auto=0'];
    return spawn('git', [...own, ...(bare ? ['--git-dir', this.path] : []), ...args], {
      env: {
        PATH: process.env['PATH'],
        HOME: this.path,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_TERMINAL_PROMPT: '0',
        LC_ALL: 'C',
        ...env,
      },
      stdio: 'pipe',
    });
  }

  /** Runs a git command and returns its output; with `fails`, a failure counts as no output. */
  #run(
    args: readonly string[],
    { env = {}, input = '', fails = false, bare = true }: RunOptions = {},
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = this.#spawn(args, env, bare);
      const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_TIMEOUT_MS);
      const out: Buffer[] = [];
      let size = 0;
      let said = '';
      child.stdout.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_OUTPUT_BYTES) child.kill('SIGKILL');
        else out.push(chunk);
      });
      child.stderr.on('data', (chunk: Buffer) => {
        if (said.length < 4096) said += chunk.toString();
      });
      child.on('error', (error) => {
        clearTimeout(timer);
        reject((error as NodeJS.ErrnoException).code === 'ENOENT' ? gitMissing(error) : gitFailed(args, error.message));
      });
      child.on('close', (code) => {
        clearTimeout(timer);
        if (code === 0) resolve(Buffer.concat(out).toString());
        else if (fails && code !== null) resolve('');
        else reject(gitFailed(args, said));
      });
      child.stdin.on('error', () => {}); // it exited before reading everything; its exit code says why
      child.stdin.end(input);
    });
  }
}

interface RunOptions {
  env?: NodeJS.ProcessEnv;
  input?: string;
  fails?: boolean;
  bare?: boolean;
}

/** Throws for a path that git does not accept, or that leaves the tree. */
function checkPath(path: string): void {
  const bad = path.split('/').some((part) => part === '' || part === '.' || part === '..' || /^\.git$/i.test(part));
  if (bad || path.includes('\0')) throw badFileName(path);
}
