import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { GerritVersion } from './jars.ts';

const run = promisify(execFile);

/** Returns the major version of a Java program, or 0 if it does not run. */
async function readMajorVersion(java: string): Promise<number> {
  try {
    const { stderr } = await run(java, ['-version'], { timeout: 30_000 });
    return Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/**
 * Returns the newest Java on this machine (or the one that RECHECK_GERRIT_JAVA names) and the Gerrit version for it:
 * 3.13 needs Java 21, 3.10 runs on 17. Throws if there is no Java 17 or later.
 */
export async function findJava(): Promise<{ java: string; version: GerritVersion }> {
  const homes = await readdir('/usr/lib/jvm').catch(() => []);
  const candidates = homes.map((home) => join('/usr/lib/jvm', home, 'bin', 'java'));
  if (process.env.JAVA_HOME) candidates.unshift(join(process.env.JAVA_HOME, 'bin', 'java'));
  candidates.push('java');
  const { RECHECK_GERRIT_JAVA: only } = process.env;
  if (only) candidates.splice(0, candidates.length, only);
  let best = { java: '', major: 0 };
  for (const java of candidates) {
    const major = await readMajorVersion(java);
    if (major > best.major) best = { java, major };
  }
  if (best.major < 17) throw new Error('Gerrit needs Java 17 or later: install openjdk-17-jre-headless');
  return { java: best.java, version: best.major >= 21 ? '3.13.5' : '3.10.2' };
}
