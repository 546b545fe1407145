import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The folder for jars and initialized sites, outside the checkout. */
export const CACHE = process.env.RECHECK_GERRIT_CACHE ?? join(homedir(), '.cache', 'recheck-gerrit');

/** One jar: its Maven coordinates, and its SHA-256 on Maven Central. */
interface Jar {
  group: string;
  artifact: string;
  version: string;
  sha256: string;
}

const gerrit = (version: string, api: string, framework: string): Jar[] => [
  { group: 'com.google.gerrit', artifact: 'gerrit-plugin-api', version, sha256: api },
  { group: 'com.google.gerrit', artifact: 'gerrit-acceptance-framework', version, sha256: framework },
];

const bouncyCastle = (artifact: string, sha256: string): Jar => ({
  group: 'org.bouncycastle',
  artifact: `${artifact}-jdk18on`,
  version: '1.83',
  sha256,
});

const BOUNCY_CASTLE = [
  bouncyCastle('bcprov', '82cf3a2af766c3bc874f6d36b9f20a8b99a8f09762dc776e8a227a45d8daaafb'),
  bouncyCastle('bcpkix', 'd3c4c6b700c74ef8164bb15e549d939721b8f14fc0ff89fe19b220243bcfcbd8'),
  bouncyCastle('bcpg', '4077fd4517761c98a81944c70a376ce73f4eb3e44c03db1eb5d699fc28ab48aa'),
  bouncyCastle('bcutil', 'ee7d0eb4e74de70a735f7fb36b604dd5c6ad35720d50b914604db042114a0185'),
];

/** The jars of each server version. Two of them contain everything except for Bouncy Castle. */
export const GERRITS = {
  '3.13.5': [
    ...gerrit(
      '3.13.5',
      '44d6a5e646ffc1bf9f8322f03046fd381b0cf51c1d4cc7d6bec9c5106dc1304d',
      'c301a154e777eb69c9b8904c3dbac1e70b4924ab7aeecf1f874d3cfd45bb5961',
    ),
    ...BOUNCY_CASTLE,
  ],
  '3.10.2': [
    ...gerrit(
      '3.10.2',
      '3ee733da1bd1379c61005cde3ac4bced480ab211dc51f62ad7821a7f35b15c43',
      '29fd6bf05585ba57490d13e28fd4c5f9f859d3b55f5e1217ca437aa4f8f84c13',
    ),
    ...BOUNCY_CASTLE,
  ],
} as const satisfies Record<string, Jar[]>;

export type GerritVersion = keyof typeof GERRITS;

const pathOf = ({ group, artifact, version }: Jar): string =>
  join(CACHE, 'm2', ...group.split('.'), artifact, version, `${artifact}-${version}.jar`);

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

async function verify(jar: Jar): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(pathOf(jar)), hash);
  const found = hash.digest('hex');
  if (found === jar.sha256) return;
  await rm(pathOf(jar));
  throw new Error(`${jar.artifact} ${jar.version} has the checksum ${found}, not ${jar.sha256}; it was deleted`);
}

/**
 * Runs `work` while it holds the cache's lock, which excludes other processes of this machine. Takes over the lock of a
 * dead process.
 */
export async function withCacheLock<T>(work: () => Promise<T>): Promise<T> {
  await mkdir(CACHE, { recursive: true });
  const lock = join(CACHE, 'lock');
  const end = Date.now() + 600_000;
  while (
    !(await writeFile(lock, String(process.pid), { flag: 'wx' }).then(
      () => true,
      () => false,
    ))
  ) {
    const holder = Number(await readFile(lock, 'utf8').catch(() => '0'));
    if (holder > 0 && !(await exists(`/proc/${holder}`))) await rm(lock, { force: true });
    else if (Date.now() > end) throw new Error(`process ${holder} holds ${lock}`);
    else await sleep(200);
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

/** Returns the class path of a version. Downloads jars that are not in the cache with Maven, and verifies checksums. */
export function provideClassPath(version: GerritVersion): Promise<string> {
  return withCacheLock(async () => {
    for (const jar of GERRITS[version]) {
      if (!(await exists(pathOf(jar)))) {
        const { group, artifact } = jar;
        await run(
          'mvn',
          [
            '-q',
            '-B',
            'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get',
            '-Dtransitive=false',
            `-Dmaven.repo.local=${join(CACHE, 'm2')}`,
            `-Dartifact=${group}:${artifact}:${jar.version}:jar`,
          ],
          { timeout: 300_000 },
        );
      }
      await verify(jar);
    }
    return GERRITS[version].map(pathOf).join(':');
  });
}
