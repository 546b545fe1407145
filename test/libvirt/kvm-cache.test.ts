import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock, test } from 'node:test';
import { answerInMemory, KvmCache } from '../../lib/libvirt/kvm-cache.ts';

const dir = mkdtempSync(join(tmpdir(), 'type-answers-'));
after(() => rmSync(dir, { recursive: true }));

test('an answer is kept for its host over a restart, and reported when it is new', () => {
  const file = join(dir, 'state', 'types.json');
  const said: string[] = [];
  const answers = new KvmCache(file, (host, { type, why }) => said.push(`${host}: ${type}, ${why}`));
  const kvm = { type: 'kvm', why: 'a guest showed life' } as const;
  answers.of('host-a').set(kvm);
  answers.of('host-a').set(kvm);
  const later = new KvmCache(file);
  assert.deepEqual(later.of('host-a').get(), kvm);
  assert.equal(later.of('host-b').get(), undefined);
  answers.of('host-a').set({ type: 'qemu', why: 'it hung' });
  assert.equal(later.of('host-a').get()?.type, 'qemu');
  assert.deepEqual(said, ['host-a: kvm, a guest showed life', 'host-a: qemu, it hung']);
});

test('a broken or unwritable file only loses the answers', () => {
  const file = join(dir, 'broken.json');
  for (const text of ['{"host-a": {"type": "xen", "why": 1}}', '[1]', '{']) {
    writeFileSync(file, text);
    assert.equal(new KvmCache(file).of('host-a').get(), undefined);
  }
  new KvmCache(join(file, 'below')).of('host-a').set({ type: 'kvm', why: 'x' });
});

const DAY = 86_400_000;
const qemu = { type: 'qemu', why: 'it hung' } as const;
const kvm = { type: 'kvm', why: 'a guest showed life' } as const;

test('any answer is valid for a day; reading it writes nothing', () => {
  mock.timers.enable({ apis: ['Date'], now: Date.UTC(2026, 10, 1) });
  try {
    const file = join(dir, 'day.json');
    const said: string[] = [];
    const slow = new KvmCache(file, (host, { type }) => said.push(`${host}: ${type}`)).of('slow');
    const fast = new KvmCache(file).of('fast');
    const short = answerInMemory();
    for (const one of [slow, short]) one.set(qemu);
    fast.set(kvm);
    const written = readFileSync(file, 'utf8');
    mock.timers.tick(DAY - 1);
    for (const one of [slow, short]) assert.deepEqual(one.get(), qemu);
    assert.deepEqual(fast.get(), kvm);
    mock.timers.tick(1);
    for (const one of [slow, short, fast]) assert.equal(one.get(), undefined);
    assert.equal(readFileSync(file, 'utf8'), written);
    slow.set(qemu);
    assert.deepEqual(slow.get(), qemu);
    assert.deepEqual(said, ['slow: qemu'], 'the same answer is no news');
    mock.timers.setTime(Date.UTC(2026, 9, 1));
    assert.equal(slow.get(), undefined, 'a clock that was put back');
    fast.forget();
    assert.equal(new KvmCache(file).of('fast').get(), undefined);
    assert.match(readFileSync(file, 'utf8'), /slow/);
  } finally {
    mock.timers.reset();
  }
});

test('an answer stored without its time is found out again', () => {
  const file = join(dir, 'undated.json');
  writeFileSync(file, JSON.stringify({ fast: kvm, slow: qemu }));
  const answers = new KvmCache(file);
  for (const host of ['fast', 'slow']) assert.equal(answers.of(host).get(), undefined);
});
