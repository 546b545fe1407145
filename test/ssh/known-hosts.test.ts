import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import ssh2 from 'ssh2';
import type { CiError } from '../../lib/errors/ci-error.ts';
import { fingerprint, generateKeyPair } from '../../lib/ssh/keys.ts';
import { KnownHosts } from '../../lib/ssh/known-hosts.ts';

const dir = mkdtempSync(join(tmpdir(), 'known-hosts-'));
after(() => rmSync(dir, { recursive: true }));

const newKey = (): Buffer => {
  const key = ssh2.utils.parseKey(generateKeyPair('').publicKey);
  if (key instanceof Error) throw key;
  return key.getPublicSSH();
};

test('the first key is pinned, another is refused and kept as offered, accepted or forgotten', () => {
  const file = join(dir, 'deep', 'hosts.json');
  const hosts = new KnownHosts(file);
  const [first, second] = [newKey(), newKey()];
  assert.deepEqual(hosts.entry('a', 22), { pinned: undefined, offered: undefined });
  assert.equal(hosts.check('a', 22, first), true);
  assert.equal(hosts.check('A', 22, first), true);
  assert.equal(hosts.check('a', 22, second), false);
  assert.deepEqual(hosts.entry('a', 22), { pinned: fingerprint(first), offered: fingerprint(second) });
  assert.deepEqual(hosts.entry('a', 2222), { pinned: undefined, offered: undefined });

  const again = new KnownHosts(file);
  again.accept('a', 22);
  assert.deepEqual(hosts.entry('a', 22), { pinned: fingerprint(second), offered: undefined });
  assert.equal(hosts.check('a', 22, first), false);
  assert.equal(hosts.check('a', 22, second), true);
  assert.equal(hosts.entry('a', 22).offered, undefined);
  hosts.forget('a', 22);
  assert.equal(again.check('a', 22, first), true);
});

test('the file is private, and no temporary file is left', () => {
  const file = join(dir, 'private', 'hosts.json');
  new KnownHosts(file).check('a', 22, newKey());
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(join(dir, 'private')), ['hosts.json']);
});

test('accepting or forgetting an unknown server changes nothing', () => {
  const hosts = new KnownHosts(join(dir, 'none.json'));
  hosts.accept('a', 22);
  hosts.forget('a', 22);
  assert.deepEqual(hosts.entry('a', 22), { pinned: undefined, offered: undefined });
});

test('a broken file is an error, and is not overwritten', () => {
  const file = join(dir, 'broken.json');
  for (const text of ['{', '[]', 'null']) {
    writeFileSync(file, text);
    assert.throws(
      () => new KnownHosts(file).check('a', 22, newKey()),
      (e: CiError) => e.code === 'ssh/known-hosts' && e.message.includes(file),
    );
    assert.equal(statSync(file).size, text.length);
  }
});
