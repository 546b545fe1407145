import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { destroy } from '../../../lib/libvirt/domain/life.ts';
import { listOwners } from '../../../lib/libvirt/owner.ts';
import { withVirsh } from '../fake-virsh.ts';

const signal = AbortSignal.timeout(20_000);

/** virsh’s error if libvirtd is lost after the connection and before the lookup of the domain. */
const LOST = `echo 'error: Disconnected from qemu:///system due to end of file' >&2`;
const NONE = `echo "error: failed to get domain 'd'" >&2`;

test('a libvirtd that is lost during a call does not count as a missing domain', async (t) => {
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

test('the owners of domains are read again if libvirtd is lost during the call', async (t) => {
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

test('a guest’s UEFI variables are removed with it, by the running domain or the XML that it was started from', async (t) => {
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

  // The guest powered off.
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
