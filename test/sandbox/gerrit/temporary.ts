import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type SandboxGerrit, startSandboxGerrit } from '../../../lib/sandbox/gerrit.ts';

/** Creates a folder that is removed after the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sandbox-gerrit-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Starts a sandbox Gerrit that is closed and removed after the test. */
export async function temporaryGerrit(t: TestContext, httpUrl?: string): Promise<SandboxGerrit> {
  const gerrit = await startSandboxGerrit({ dir: await temporaryFolder(t), ...(httpUrl && { httpUrl }) });
  t.after(() => gerrit.close());
  return gerrit;
}
