import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withKey } from '../../lib/storage/image-key.ts';
import type { ImageMaking, ImageScript, ImageSource } from '../../lib/worker/types.ts';

const DAY = 86_400_000;
const making: ImageMaking = { memory: 512, vcpus: 1, networks: [], userData: '', authorizedKeys: '', timeout: 1 };
const script: ImageScript = { name: 'init', user: '', interpreter: '', text: 'true\n' };

const url = (more: Partial<Extract<ImageSource, { kind: 'url' }>> = {}) => ({
  name: 'base',
  loginUser: 'root',
  source: { kind: 'url' as const, url: 'https://example.com/a.img', ...more },
});
const child = (base: ReturnType<typeof url>, scripts = [script], under = making, now = 0) =>
  withKey(
    {
      name: 'child',
      loginUser: 'root',
      source: { kind: 'parent', parent: { ...base, key: '' }, scripts, making: under },
    },
    now,
  );

test('the key changes with what is on the disk, and with nothing else', () => {
  const key = withKey(url(), 0).key;
  assert.match(key, /^[0-9a-f]{12}$/);
  assert.equal(withKey({ ...url(), name: 'other' }, DAY * 400).key, key);
  assert.equal(withKey(url({ sha256: ' AB ' }), 0).key, withKey(url({ sha256: 'ab' }), 0).key);
  for (const other of [url({ url: 'https://example.com/b.img' }), url({ sha256: 'ab' }), url({ diskSize: 10 })]) {
    assert.notEqual(withKey(other, 0).key, key);
  }
});

test('the key of a child image changes with its parent, its scripts and their user', () => {
  const key = child(url()).key;
  assert.equal(child(url(), [{ ...script, name: 'renamed' }], { ...making, memory: 4096, timeout: 9 }).key, key);
  assert.equal(child(url(), [{ ...script, user: 'root' }]).key, key);
  const others = [
    child(url({ diskSize: 10 })),
    child(url(), [{ ...script, text: 'false\n' }]),
    child(url(), [{ ...script, user: 'ann' }]),
    child(url(), [script, script]),
    child(url(), [script], { ...making, userData: '#cloud-config\n' }),
  ];
  assert.equal(new Set([key, ...others.map((other) => other.key)]).size, 6);
});

test('the key depends on the hardware if scripts run on it, not for a downloaded disk', () => {
  const disk = withKey(url(), 0).key;
  assert.equal(withKey({ ...url(), firmware: 'uefi', cpu: 'max' }, 0).key, disk);
  const on = (hardware: object) => {
    const { source } = child(url());
    return withKey({ name: 'child', loginUser: 'root', source, ...hardware }, 0).key;
  };
  assert.equal(on({}), child(url()).key);
  assert.equal(on({ cpu: '' }), on({}));
  assert.equal(new Set([on({}), on({ cpu: 'max' }), on({ firmware: 'uefi' }), on({ firmware: 'bios' })]).size, 4);
});

test('the key depends on the operator’s SSH keys, which stay on the disk; without any it is what it was before they counted', () => {
  const withKeys = (authorizedKeys: string) => child(url(), [script], { ...making, authorizedKeys }).key;
  const [ann, bob] = ['ssh-ed25519 AAAAann ann', 'ssh-rsa AAAAbob bob'] as const;
  const keys = [withKeys(''), withKeys(ann), withKeys(bob), withKeys(`${ann}\n${bob}`)];
  assert.equal(new Set(keys).size, 4);
  assert.equal(withKeys('\n# nobody\n'), keys[0]);
  assert.equal(withKeys(`# all of us\r\n${bob}\r\n\r\n  ${ann}\n`), keys[3], 'the same keys, written otherwise');
  assert.equal(keys[0], '237c96d2cecc', 'as images stand on workers now');
});

test('a renewed image changes its key after the days that are set, and so do its children', () => {
  const weekly = url({ renew: 7 });
  const now = DAY * 7 * 100;
  assert.equal(withKey(weekly, now).key, withKey(weekly, now + DAY * 7 - 1).key);
  assert.notEqual(withKey(weekly, now).key, withKey(weekly, now + DAY * 7).key);
  assert.notEqual(child(weekly, [script], making, now).key, child(weekly, [script], making, now + DAY * 7).key);
  const made = child(weekly, [script], making, now);
  assert(made.source.kind === 'parent');
  assert.equal(made.source.parent.key, withKey(weekly, now).key);
});

test('a renewed image and its children list themselves as they were before the latest renewals', () => {
  const weekly = url({ renew: 7 });
  const now = DAY * 7 * 100 + 1;
  const { former = [] } = withKey(weekly, now);
  assert.equal(former.length, 8);
  for (const [i, one] of former.entries()) {
    const { former: _, ...then } = withKey(weekly, now - (i + 1) * 7 * DAY);
    assert.deepEqual(one, then);
  }
  const [before] = child(weekly, [script], making, now).former ?? [];
  const then = child(weekly, [script], making, now - 7 * DAY);
  assert.equal(before?.key, then.key);
  assert(before?.source.kind === 'parent');
  assert.equal(before.source.parent.key, former[0]?.key, 'made of its parent of then');
});

test('an image lists no earlier self if it is never renewed, or before its first renewal', () => {
  assert.equal(withKey(url(), DAY * 400).former, undefined);
  assert.equal(child(url()).former, undefined);
  assert.equal(withKey(url({ renew: 7 }), DAY).former, undefined);
});
