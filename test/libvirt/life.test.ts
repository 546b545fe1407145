import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { destroy } from '../../lib/libvirt/life.ts';
import { listOwners } from '../../lib/libvirt/owner.ts';
import { Virsh } from '../../lib/libvirt/virsh.ts';
import { localHost } from '../../lib/ssh/local.ts';

const signal = AbortSignal.timeout(20_000);

/** This machine, whose virsh is a script of the test's. `$S` in it is a folder for what it remembers. */
function withVirsh(t: TestContext, script: string): { virsh: Virsh; at: (name: string) => string } {
  const folder = mkdtempSync(join(tmpdir(), 'virsh-'));
  const path = process.env['PATH'];
  t.after(() => {
    process.env['PATH'] = path;
    rmSync(folder, { recursive: true });
  });
  // Its name and options come first: virsh -q -c URI COMMAND …
  writeFileSync(join(folder, 'virsh'), `#!/bin/sh\nS=${folder}\nshift 3\n${script}\n`);
  chmodSync(join(folder, 'virsh'), 0o755);
  process.env['PATH'] = `${folder}:${path}`;
  const host = localHost();
  t.after(() => host.close());
  return { virsh: new Virsh('worker a', 'qemu:///system', async () => host), at: (name) => join(folder, name) };
}

/** What virsh says where libvirtd goes away between its connection and its look for the domain. */
const LOST = `echo 'error: Disconnected from qemu:///system due to end of file' >&2`;
const NONE = `echo "error: failed to get domain 'd'" >&2`;

test('a libvirtd that goes away in the middle does not pass for a domain that is gone', async (t) => {
  const { virsh, at } = withVirsh(
    t,
    `case $1 in
  list) [ ! -e $S/runs ] || echo d ;;
  destroy)
    if [ ! -e $S/lost ]; then : >$S/lost; ${LOST}; ${NONE}; exit 1; fi
    # Without a word of the connection too.
    if [ ! -e $S/again ]; then : >$S/again; ${NONE}; exit 1; fi
    [ -e $S/runs ] && rm $S/runs && exit
    ${NONE}; exit 1 ;;
esac`,
  );
  writeFileSync(at('runs'), '');
  await destroy(virsh, 'd', signal);
  assert.ok(!existsSync(at('runs')), 'the domain was ended');
});

test('whose the domains are is asked again where libvirtd goes away in the middle', async (t) => {
  const owner = '<rc:owner xmlns:rc="https://example.com" controller="c1c1c1c1c1c1" build="7f3a12cd" attempt="1"/>';
  const { virsh } = withVirsh(
    t,
    `case $1 in
  list)
    # One that is listed and gone by the time that it is asked about.
    [ -e $S/listed ] || echo gone
    : >$S/listed
    printf 'theirs\\nours\\n' ;;
  metadata)
    if [ "$3" = gone ]; then echo "error: failed to get domain 'gone'" >&2; exit 1; fi
    if [ "$3" = theirs ]; then echo 'error: metadata not found: Requested metadata element is not present' >&2; exit 1; fi
    if [ ! -e $S/lost ]; then : >$S/lost; ${LOST}; ${NONE}; exit 1; fi
    if [ ! -e $S/twice ]; then : >$S/twice; ${LOST}; exit 1; fi
    echo '${owner}' ;;
esac`,
  );
  assert.deepEqual(await listOwners(virsh, signal), [
    { domain: 'ours', owner: { controller: 'c1c1c1c1c1c1', build: '7f3a12cd', attempt: 1 } },
  ]);
});

test('the file of a guest’s UEFI variables goes with it: as the running domain says, else as it was started', async (t) => {
  const { virsh, at } = withVirsh(
    t,
    `case $1 in
  list) [ ! -e $S/runs ] || echo d ;;
  dumpxml) [ -e $S/runs ] && echo "<os><nvram>$S/d_VARS.fd</nvram></os>" ;;
  destroy) [ -e $S/runs ] && rm $S/runs && exit; ${NONE}; exit 1 ;;
esac`,
  );
  const [file, other] = [at('d_VARS.fd'), at('shared.fd')];
  for (const path of [file, other, at('runs')]) writeFileSync(path, '');
  await destroy(virsh, 'd', signal);
  assert.ok(!existsSync(file));

  // One that powered off by itself.
  const folder = at('clone');
  mkdirSync(folder);
  writeFileSync(file, '');
  await destroy(virsh, 'd', signal);
  assert.ok(existsSync(file), 'nothing tells of it');
  writeFileSync(join(folder, 'domain.xml'), `<os>\n<nvram template='/x'>${file}</nvram>\n</os>`);
  await destroy(virsh, 'd', signal, folder);
  assert.ok(!existsSync(file));
  writeFileSync(join(folder, 'domain.xml'), `<nvram>${other}</nvram>`);
  await destroy(virsh, 'd', signal, folder);
  assert.ok(existsSync(other), 'it is not named after the guest');
});
