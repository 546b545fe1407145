import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { TypeAnswers } from '../../lib/libvirt/type-answers.ts';

const dir = mkdtempSync(join(tmpdir(), 'type-answers-'));
after(() => rmSync(dir, { recursive: true }));

test('an answer is kept for its host over a restart, and said when it is new', () => {
  const file = join(dir, 'state', 'types.json');
  const said: string[] = [];
  const answers = new TypeAnswers(file, (host, { type, why }) => said.push(`${host}: ${type}, ${why}`));
  const kvm = { type: 'kvm', why: 'a guest showed life' } as const;
  answers.of('host-a').set(kvm);
  answers.of('host-a').set(kvm);
  const later = new TypeAnswers(file);
  assert.deepEqual(later.of('host-a').get(), kvm);
  assert.equal(later.of('host-b').get(), undefined);
  answers.of('host-a').set({ type: 'qemu', why: 'it hung' });
  assert.equal(later.of('host-a').get()?.type, 'qemu');
  assert.deepEqual(said, ['host-a: kvm, a guest showed life', 'host-a: qemu, it hung']);
});

test('a file that is broken, or cannot be written, costs no more than the memory', () => {
  const file = join(dir, 'broken.json');
  for (const text of ['{"host-a": {"type": "xen", "why": 1}}', '[1]', '{']) {
    writeFileSync(file, text);
    assert.equal(new TypeAnswers(file).of('host-a').get(), undefined);
  }
  new TypeAnswers(join(file, 'below')).of('host-a').set({ type: 'kvm', why: 'x' });
});
