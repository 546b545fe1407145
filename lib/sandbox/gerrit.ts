import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { emptyComment, sandboxReviewRefused, stateUnreadable } from '../errors/sandbox.ts';
import { fingerprint, readPrivateKey } from '../ssh/keys.ts';
import type { SshTarget } from '../ssh/types.ts';
import { writeFileAtomic } from '../util/atomic-file.ts';
import { ACCOUNTS, accountOf, CI_USER, DEVELOPER } from './gerrit/model/accounts.ts';
import { applyReview, PATCHSET_LEVEL } from './gerrit/model/apply-review.ts';
import { type CommitFiles, Repository } from './gerrit/model/git.ts';
import { abandon, restore, submit } from './gerrit/model/lifecycle.ts';
import { Refusal } from './gerrit/model/refusal.ts';
import { baseFiles, sample } from './gerrit/model/samples.ts';
import { BRANCH, PROJECT, Site } from './gerrit/model/site.ts';
import { keptKeyPair, loadState } from './gerrit/model/store.ts';
import { type Change, newest, type ReviewInput, type SampleKind, type State } from './gerrit/model/types.ts';
import { upload } from './gerrit/model/upload.ts';
import { listenSsh } from './gerrit/ssh/server.ts';

export type { Change, Message, Patchset, SampleKind } from './gerrit/model/types.ts';

/** Settings of the sandbox Gerrit. */
export interface SandboxGerritOptions {
  /** Folder for its data, created if missing. Deleting it starts over. */
  dir: string;
  /** SSH port on 127.0.0.1; 0, the default, for a free one. */
  port?: number;
  /** URL of its page: base of the changes' URLs and of `git fetch` over HTTP. If missing, changes have no URL. */
  httpUrl?: string;
}

/** How a comment is posted: `ui` on the patchset, as in Gerrit's UI; `message` as with `gerrit review -m`. */
export type CommentStyle = 'ui' | 'message';

/** A small Gerrit in this process. Its methods throw a CiError. */
export interface SandboxGerrit {
  /** How the CI logs in. */
  readonly target: SshTarget;
  /** The CI's username, which is also its name in rechecks. */
  readonly ciName: string;
  /** Its only project. */
  readonly project: string;
  /** URL of its page, without a trailing slash. */
  readonly httpUrl?: string;
  /** Whether the folder had the state of an earlier start. */
  readonly restored: boolean;
  /** Its git repository, for serving fetches. */
  readonly repository: Repository;
  /** Aborts when it closes. */
  readonly closed: AbortSignal;
  /** Returns how one of its accounts (my-ci, ann, admin) logs in. Only my-ci and admin may stream events. */
  targetOf(username: string): SshTarget;
  /** Uploads a sample as a new change of ann's. @returns the change's number */
  uploadSample(kind: SampleKind): Promise<number>;
  /** Uploads a sample as a new patchset of a change. @returns the patchset's number */
  uploadPatchset(change: number, kind: SampleKind): Promise<number>;
  /** Uploads files over the branch's (or the patchset's parent's), as a push to refs/for/master does. */
  upload(spec: { message?: string; files: CommitFiles; change?: number }, author?: string): Promise<Change>;
  /** Comments on the newest patchset; by default as ann and in the style of the UI. */
  comment(change: number, text: string, author?: string, style?: CommentStyle): Promise<void>;
  abandon(change: number, author?: string): Promise<void>;
  restore(change: number, author?: string): Promise<void>;
  /** Approves and merges a change, as the administrator. */
  submit(change: number): Promise<void>;
  /** Returns copies of all changes, oldest first. */
  changes(): Change[];
  /** Calls back after each modification. @returns how to stop */
  onChange(callback: () => void): () => void;
  /** Closes the server and its connections; the folder stays. */
  close(): Promise<void>;
}

/**
 * Starts the sandbox Gerrit. Its folder has `state.json`, the bare repository `demo.git` and `keys/`.
 *
 * @throws CiError if there is no git, the port is in use, or the folder's state cannot be read
 */
export async function startSandboxGerrit(options: SandboxGerritOptions): Promise<SandboxGerrit> {
  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const stateFile = join(dir, 'state.json');
  const found = await loadState(stateFile);
  const repository = await Repository.open(join(dir, `${PROJECT}.git`));
  await checkRepository(repository, found, stateFile);
  const state = found ?? { version: 1, changes: [] };
  if (!found) await writeFileAtomic(stateFile, `${JSON.stringify(state)}\n`);
  const httpUrl = options.httpUrl?.replace(/\/+$/, '');
  const site = new Site({ repository, state, stateFile, ...(httpUrl && { httpUrl }) });

  const keys = join(dir, 'keys');
  const hostKey = (await keptKeyPair(keys, 'host')).privateKey;
  const privateKeys = new Map<string, string>();
  for (const { username } of ACCOUNTS) privateKeys.set(username, (await keptKeyPair(keys, username)).privateKey);
  const accounts = ACCOUNTS.map((account) => ({ account, key: readPrivateKey(privateKeys.get(account.username)!) }));
  const server = await listenSsh(site, { port: options.port ?? 0, hostKey, accounts });
  const pinned = fingerprint(readPrivateKey(hostKey).getPublicSSH());
  const closing = new AbortController();
  const targetOf = (username: string): SshTarget => ({
    label: 'the sandbox Gerrit',
    host: '127.0.0.1',
    port: server.port,
    user: accountOf(username).username,
    privateKey: privateKeys.get(username)!,
    hostKey: pinned,
    shell: 'none',
  });

  return {
    target: targetOf(CI_USER),
    ciName: CI_USER,
    project: PROJECT,
    ...(httpUrl && { httpUrl }),
    restored: found !== undefined,
    repository,
    closed: closing.signal,
    targetOf,
    ...actions(site),
    changes: () => structuredClone(site.state.changes),
    onChange: (callback) => site.onEvent(({ type }) => type !== 'ref-updated' && callback()),
    async close() {
      closing.abort();
      await server.close();
      await site.exclusive(async () => {}); // waits for a write in progress
    },
  };
}

type Actions = 'uploadSample' | 'uploadPatchset' | 'upload' | 'comment' | 'abandon' | 'restore' | 'submit';

/** Returns the operations on changes for the page and for tests, which run one at a time. */
function actions(site: Site): Pick<SandboxGerrit, Actions> {
  const person = (author = DEVELOPER) => accountOf(author);
  return {
    uploadSample: async (kind) => {
      const spec = await sample(kind);
      return (await site.exclusive(() => upload(site, person(), spec))).change;
    },
    uploadPatchset: async (number, kind) => {
      const { files } = await sample(kind);
      const done = await site.exclusive(async () => {
        // Each patchset differs from the one before, even if the same sample is uploaded again.
        const count = newest(site.change(number)).number + 1;
        const note = { 'NEWS.md': `Patchset ${count} of change ${number} (${kind}).\n` };
        return upload(site, person(), { change: number, files: { ...files, ...note } });
      });
      return done.patchset;
    },
    upload: async (spec, author) => {
      const done = await site.exclusive(async () => upload(site, person(author), spec));
      return structuredClone(site.change(done.change));
    },
    comment: async (number, text, author, style = 'ui') => {
      const words = text.trim();
      if (!words) throw emptyComment();
      const ui = { comments: { [PATCHSET_LEVEL]: [{ message: words }] } };
      await review(site, person(author).username, number, style === 'ui' ? ui : { message: words });
    },
    abandon: (number, author) => site.exclusive(async () => abandon(site, person(author), number)),
    restore: (number, author) => site.exclusive(async () => restore(site, person(author), number)),
    submit: async (number) => {
      await review(site, 'admin', number, { labels: { 'Code-Review': 2 } });
      await site.exclusive(() => submit(site, accountOf('admin'), number));
    },
  };
}

/** Posts a review on the newest patchset; throws a refusal as a CiError for callers in this process. */
async function review(site: Site, author: string, number: number, input: ReviewInput): Promise<void> {
  try {
    await site.exclusive(async () => {
      const patchset = newest(site.change(number)).number;
      await applyReview(site, accountOf(author), { change: number, patchset }, input);
    });
  } catch (error) {
    throw error instanceof Refusal ? sandboxReviewRefused(error.message) : error;
  }
}

/** Checks that the branch exists, creating it at the first start, and that git still has the commits in the state. */
async function checkRepository(repository: Repository, found: State | undefined, stateFile: string): Promise<void> {
  const branch = `refs/heads/${BRANCH}`;
  const last = found?.changes.at(-1);
  if (last && !(await repository.resolve(newest(last).revision))) {
    throw stateUnreadable(stateFile, new Error(`the git repository beside it lacks change ${last.number}`));
  }
  if (await repository.resolve(branch)) return;
  const author = accountOf('admin');
  const message = 'Start the demo project\n';
  const commit = await repository.commit({ files: await baseFiles(), message, author, date: Date.now() });
  await repository.updateRef(branch, commit);
}
