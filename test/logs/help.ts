import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { BuildPage } from '../../lib/logs/types.ts';
import type { BuildView, StepRecord } from '../../lib/model/build.ts';
import type { ChangeInfo } from '../../lib/model/change.ts';

/** Creates an empty folder that is removed after the test. */
export async function scratch(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'recheck-logs-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

export const change = (over: Partial<ChangeInfo> = {}): ChangeInfo => ({
  server: 'gerrit',
  project: 'demo',
  branch: 'master',
  number: 1234,
  patchset: 2,
  revision: '0123456789abcdef0123456789abcdef01234567',
  ref: 'refs/changes/34/1234/2',
  url: 'https://review.example.com/c/demo/+/1234',
  subject: 'Greet politely',
  owner: 'ann',
  ...over,
});

export const build = (over: Partial<BuildView> = {}): BuildView => ({
  id: '7f3a',
  attempt: 1,
  set: { id: 's1', index: 0, count: 1 },
  pipeline: 'check',
  job: 'unit',
  voting: true,
  env: {},
  guests: { vm: { host: 'host-a', image: 'debian-12', clone: 'c1', address: '192.168.122.17' } },
  steps: [],
  startedAt: '2026-11-22T15:57:00.000Z',
  ...over,
});

export const step = (over: Partial<StepRecord> = {}): StepRecord => ({
  node: 'n1',
  name: 'run its tests',
  type: 'ssh-exec',
  guest: 'vm',
  result: 'SUCCESS',
  startedAt: '2026-11-22T15:57:05.000Z',
  duration: 4000,
  line: 3,
  ...over,
});

export const page = (over: Partial<BuildPage> = {}): BuildPage => ({
  build: build(),
  change: change(),
  reason: 'patchset 2 was uploaded',
  recheck: 'my-ci recheck',
  ...over,
});
