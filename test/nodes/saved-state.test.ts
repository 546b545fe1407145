/** The state that version 0.1.0 left in the user directory and on the sandbox worker is read, served or cleaned up. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import { run } from '../support/build-runs.ts';
import { flow, guests, jobs, make, row } from '../support/flow-builder.ts';
import { startRed, type TestRed } from '../support/red.ts';
import { waitFor } from '../support/wait.ts';

const FIXTURE = join(import.meta.dirname, 'fixtures', 'state-0.1.0');
const CLONE = 'recheck-258498d8-1-vm';
const FOREIGN = 'recheck-0badcafe-1-vm';

const key = generateKeyPair('recheck-controller');
/** The id by which a controller recognizes its own clones, as 0.1.0 derived it. */
const controller = createHash('sha256').update(key.publicKey.split(' ')[1]!).digest('hex').slice(0, 12);
const pinned = { type: 'ssh-ed25519', fingerprint: 'SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' };

let red: TestRed;
let worker: string;

before(async () => {
  red = await startRed({}, (userDir) => {
    const state = join(userDir, 'recheck');
    worker = join(state, 'worker');
    cpSync(FIXTURE, state, { recursive: true });
    writeFileSync(join(state, 'guest-key'), key.privateKey, { mode: 0o600 });
    writeFileSync(join(state, 'guest-key.pub'), `${key.publicKey}\n`);
    writeFileSync(join(state, 'known-hosts.json'), JSON.stringify({ '[review.example.com]:29418': { pinned } }));
    // The fixture's clone belongs to this controller; a second one belongs to another.
    const owner = (name: string) => join(worker, 'clones', `${name}.json`);
    writeFileSync(owner(CLONE), JSON.stringify({ controller, build: '258498d8', attempt: 1 }));
    writeFileSync(owner(FOREIGN), JSON.stringify({ controller: '0badcafe0bad', build: '0badcafe', attempt: 1 }));
    mkdirSync(join(worker, 'clones', FOREIGN));
  });
  await red.deploy(
    flow(
      jobs({ wires: [['clone-vm']] }),
      ...guests('vm', 'ssh-exec1'),
      ...row(
        make('ssh-exec', { script: 'echo hello\n' }),
        make('publish-logs', { files: [] }),
        make('gerrit-review', { silent: true }),
      ),
    ),
  );
});
after(() => red?.close());

test('pinned host keys and the key for guests are kept', async () => {
  const { knownHosts, services } = red.runtime();
  assert.equal(knownHosts.entry('review.example.com', 29418)?.pinned, pinned.fingerprint);
  assert.equal(services.key.publicKey, key.publicKey);
  assert.equal(services.controller, controller);
});

test('a log page is still served under the URL in its review', async () => {
  const path = '1001/1/check/unit/ec587d2e/';
  const page = await fetch(`${red.url}/recheck/logs/${path}`);
  assert.equal(page.status, 200);
  const text = await page.text();
  assert.match(text, /<title>unit: SUCCESS, 1001,1<\/title>/);
  assert.match(text, /<span class="ago">/, 'the page shows its age');
});

test('clones that this controller left are removed, and another controller’s are kept', async () => {
  await waitFor('the clone is removed', () => !existsSync(join(worker, 'clones', CLONE)));
  await waitFor('its record is removed', () => !existsSync(join(worker, 'clones', `${CLONE}.json`)));
  assert.deepEqual(readdirSync(join(worker, 'clones')).sort(), [FOREIGN, `${FOREIGN}.json`]);
});

test('builds run with this state', async () => {
  assert.equal((await run(red)).result, 'SUCCESS');
});
