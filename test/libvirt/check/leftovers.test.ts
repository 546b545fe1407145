import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLeftovers } from '../../../lib/libvirt/check/leftovers.ts';
import type { Owner } from '../../../lib/worker/types.ts';
import { scriptedHost } from '../scripted-host.ts';

const record = (name: string, controller: string, build: string) =>
  `record ${name}:${JSON.stringify({ controller, build, attempt: 1, image: 'base@k' })}`;

/** Returns the list. Each lookup prints the records, the requested clones, and what could not be removed. */
async function look(said: string, alive?: (owner: Owner) => boolean): Promise<string[]> {
  const host = scriptedHost((argv) => {
    const asked = argv.slice(5).map((name) => `stuck\tclone\t${name}\t/ci/${name}\t\nsaid\t\n`);
    return { stdout: `${said}\n${asked.join('')}` };
  });
  const storage = { kind: 'btrfs', place: '/ci' } as const;
  const settings = { controller: 'ours', storage, ...(alive ? { alive } : {}) };
  const checks = await checkLeftovers(host, settings, AbortSignal.timeout(5_000));
  return checks.map(({ what, ok, detail, fix }) => `${what} ${ok}: ${detail} | ${fix}`);
}

test('a clone is left over if its build has ended, not if it runs or belongs to another controller', async () => {
  const records = [record('c1', 'ours', 'b1'), record('c2', 'ours', 'b2'), record('c3', 'theirs', 'b3')].join('\n');
  assert.deepEqual(await look(records), []);
  assert.deepEqual(await look(records, ({ build }) => build === 'b2'), [
    'leftovers true: Clone c1 is left over and takes space: its build has ended. | rm -rf --one-file-system /ci/c1',
  ]);
});

test('what could not be removed is listed once, with the reason', async () => {
  const said = `stuck\tclone\tc1\t/ci/c1\t\nsaid\ttarget is busy\nmount\t/ci/c1/m\n${record('c1', 'ours', 'b1')}`;
  assert.deepEqual(await look(said, () => false), [
    'leftovers true: Clone c1 is left over and takes space: /ci/c1/m is mounted in it and in use. | umount -l /ci/c1/m && rm -rf --one-file-system /ci/c1',
  ]);
});

test('of many leftovers, some are listed and the rest is counted', async () => {
  const said = Array.from({ length: 23 }, (_, n) => `stuck\timage\tbase@${n}\t/ci/base@${n}\t`).join('\n');
  const listed = await look(said);
  assert.equal(listed.length, 21);
  assert.match(listed.at(-1)!, /And 3 more\./);
});
