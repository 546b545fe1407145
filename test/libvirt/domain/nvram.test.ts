import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { VARIABLES } from '../../../lib/libvirt/domain/nvram.ts';

const run = (line: string, stdin = '', env: Record<string, string> = {}): string =>
  execFileSync('sh', ['-c', `${VARIABLES}\n${line}`], {
    input: stdin,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
const fileOf = (os: string): string =>
  run(
    'variables_file',
    `<domain>\n  <os>\n    ${os}\n  </os>\n  <disk><source file='/ci/vda'/></disk>\n</domain>\n`,
  ).trim();

test('the file of UEFI variables is found in each form of libvirt’s XML', () => {
  assert.equal(fileOf('<nvram>/v/a_VARS.fd</nvram>'), '/v/a_VARS.fd');
  assert.equal(fileOf("<nvram template='/t/x.fd'>/v/a b.fd</nvram>"), '/v/a b.fd');
  assert.equal(fileOf("<nvram template='/t' templateFormat='raw' format='raw'>/v/a</nvram>"), '/v/a');
  assert.equal(fileOf("<nvram type='file'>\n      <source file='/v/a.fd'/>\n    </nvram>"), '/v/a.fd');
  assert.equal(fileOf("<varstore template='/t.json' path='/v/a.json'/>"), '/v/a.json');
  assert.equal(fileOf('<nvram>/v/it&apos;s &amp; &lt;more&gt;</nvram>'), "/v/it's & <more>");
  for (const none of ['', '<nvram/>', "<nvram template='/t'/>", "<loader readonly='yes'>/c</loader>"]) {
    assert.equal(fileOf(none), '', none);
  }
});

test('only files named after the domain are removed: its own, and those that libvirt names', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'nvram-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const own = join(dir, 'libvirt/qemu/nvram');
  mkdirSync(own, { recursive: true });
  const remove = (file: string) => run('domain=d1; remove_variables "$FILE"', '', { FILE: file, XDG_CONFIG_HOME: dir });
  const files = ['d1_VARS.fd', 'd1_VARS.qcow2', 'd10_VARS.fd', 'd1-b_VARS.fd', 'shared.fd'].map((name) =>
    join(own, name),
  );
  for (const file of files) writeFileSync(file, '');
  const left = () => files.filter((file) => existsSync(file)).map((file) => file.slice(own.length + 1));
  remove('');
  assert.deepEqual(left(), ['d10_VARS.fd', 'd1-b_VARS.fd', 'shared.fd']);
  for (const file of files) remove(file);
  assert.deepEqual(left(), ['d10_VARS.fd', 'd1-b_VARS.fd', 'shared.fd']);
  writeFileSync(join(dir, 'd1.vars'), '');
  remove(join(dir, 'd1.vars'));
  assert.ok(!existsSync(join(dir, 'd1.vars')));
  remove('/nowhere/d1');
});
