import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateKeyPair } from '../../../lib/ssh/keys.ts';
import type { SshTarget } from '../../../lib/ssh/types.ts';
import type {
  CommentStyle,
  GerritUnderTest,
  PushedPatchset,
  PushOptions,
  StoredMessage,
} from '../../support/gerrit-under-test.ts';
import { Repository } from './repository.ts';
import { Rest } from './rest.ts';
import { GerritSite } from './site.ts';

/** The accounts: the CI's, in the group Service Users; a developer's; one without any special permission. */
const CI = { username: 'acme-ci', name: 'Acme Test CI' };
const PERSON = { username: 'ann', name: 'Ann', email: 'ann@example.com' };
const NOBODY = { username: 'bob', name: 'Bob' };
const PROJECT = 'demo';

interface ChangeJson {
  _number: number;
  change_id: string;
  revisions?: Record<string, { _number: number; ref: string }>;
  labels?: Record<string, { all?: { username?: string; value?: number }[] }>;
}

interface MessageJson {
  author?: { username?: string; name?: string };
  tag?: string;
  message: string;
  date: string;
}

/** A real Gerrit server with the accounts and the project that the contract and the flow tests need. */
export class RealGerrit implements GerritUnderTest {
  readonly ciUser = CI.username;
  readonly ciName = CI.name;
  readonly project = PROJECT;
  readonly target: SshTarget;
  readonly plainTarget: SshTarget;
  readonly site: GerritSite;
  /** REST as the administrator. */
  readonly admin: Rest;
  readonly #person: Rest;
  readonly #repository: Repository;

  private constructor(site: GerritSite, keys: { ci: string; nobody: string; personFile: string }) {
    const target = { label: 'gerrit 127.0.0.1', host: '127.0.0.1', port: site.sshPort, shell: 'none' } as const;
    this.site = site;
    this.target = { ...target, user: CI.username, privateKey: keys.ci };
    this.plainTarget = { ...target, user: NOBODY.username, privateKey: keys.nobody };
    this.admin = new Rest(site.httpUrl, { name: 'admin', password: 'secret' });
    this.#person = new Rest(site.httpUrl, { name: PERSON.username, password: 'secret' });
    this.#repository = new Repository({
      dir: join(site.dir, 'clone'),
      url: `ssh://${PERSON.username}@127.0.0.1:${site.sshPort}/${PROJECT}`,
      keyFile: keys.personFile,
      author: { name: PERSON.name, email: PERSON.email },
    });
  }

  /** Starts a server and creates the accounts, the label Verified and the project. The caller must close it. */
  static async start(): Promise<RealGerrit> {
    const site = await GerritSite.make();
    try {
      const [ci, person, nobody] = [generateKeyPair('ci'), generateKeyPair('ann'), generateKeyPair('bob')];
      const personFile = join(site.dir, 'ann.key');
      await writeFile(personFile, person.privateKey, { mode: 0o600 });
      const gerrit = new RealGerrit(site, { ci: ci.privateKey, nobody: nobody.privateKey, personFile });
      await site.start();
      await gerrit.#populate({ ci: ci.publicKey, person: person.publicKey, nobody: nobody.publicKey });
      return gerrit;
    } catch (error) {
      await site.close();
      throw error;
    }
  }

  async #populate(keys: { ci: string; person: string; nobody: string }): Promise<void> {
    const { admin } = this;
    const account = { http_password: 'secret' };
    const ci = { ...account, name: CI.name, ssh_key: keys.ci, groups: ['Service Users'] };
    await admin.call('PUT', `accounts/${CI.username}`, ci);
    const person = { ...account, name: PERSON.name, email: PERSON.email, ssh_key: keys.person };
    await admin.call('PUT', `accounts/${PERSON.username}`, person);
    await admin.call('PUT', `accounts/${NOBODY.username}`, { ...account, name: NOBODY.name, ssh_key: keys.nobody });
    await admin.call('PUT', 'projects/All-Projects/labels/Verified', {
      function: 'NoBlock',
      values: { '-1': 'Fails', '0': 'No score', '+1': 'Verified' },
    });
    const { id } = await admin.get<{ id: string }>('groups/Service%20Users');
    const rules = { [id]: { action: 'ALLOW', min: -1, max: 1 } };
    await admin.call('POST', 'projects/All-Projects/access', {
      add: { 'refs/heads/*': { permissions: { 'label-Verified': { label: 'Verified', rules } } } },
    });
    await this.createProject(PROJECT);
  }

  async createProject(name: string): Promise<void> {
    await this.admin.call('PUT', `projects/${encodeURIComponent(name)}`, { create_empty_commit: true });
  }

  async pushChange(options: PushOptions = {}): Promise<PushedPatchset> {
    const changeId = options.change === undefined ? undefined : (await this.#change(options.change)).change_id;
    const revision = await this.#repository.push(options, changeId);
    const [change] = await this.admin.get<ChangeJson[]>(`changes/?q=commit:${revision}&o=CURRENT_REVISION`);
    const patchset = change?.revisions?.[revision];
    if (change === undefined || patchset === undefined) throw new Error(`no change has the commit ${revision}`);
    return { number: change._number, patchset: patchset._number, ref: patchset.ref, revision };
  }

  async comment(change: number, text: string, style: CommentStyle = 'ui'): Promise<void> {
    const review = style === 'ui' ? { comments: { '/PATCHSET_LEVEL': [{ message: text }] } } : { message: text };
    await this.#person.call('POST', `changes/${change}/revisions/current/review`, review);
  }

  async messages(change: number): Promise<StoredMessage[]> {
    const messages = await this.admin.get<MessageJson[]>(`changes/${change}/messages`);
    return messages.map(({ author, tag, message, date }) => ({
      author: author?.username ?? '',
      authorName: author?.name ?? '',
      ...(tag === undefined ? {} : { tag }),
      message,
      date: Date.parse(`${date.replace(' ', 'T')}Z`),
    }));
  }

  async votes(change: number): Promise<Record<string, number>> {
    const { labels = {} } = await this.#change(change, '/detail');
    const votes: Record<string, number> = {};
    for (const [label, { all = [] }] of Object.entries(labels)) {
      const ours = all.find(({ username }) => username === CI.username)?.value;
      if (ours !== undefined) votes[label] = ours;
    }
    return votes;
  }

  async abandon(change: number): Promise<void> {
    await this.admin.call('POST', `changes/${change}/abandon`, {});
  }

  async submit(change: number): Promise<void> {
    await this.admin.call('POST', `changes/${change}/revisions/current/review`, { labels: { 'Code-Review': 2 } });
    await this.admin.call('POST', `changes/${change}/submit`, {});
  }

  async stop(): Promise<void> {
    await this.site.stop();
  }

  async restart(): Promise<void> {
    await this.site.stop();
    await this.site.start();
  }

  async close(): Promise<void> {
    await this.site.close();
  }

  #change(change: number, view = ''): Promise<ChangeJson> {
    return this.admin.get<ChangeJson>(`changes/${change}${view}`);
  }
}
