import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Networks } from '../../../lib/libvirt/network/networks.ts';
import { Virsh } from '../../../lib/libvirt/virsh.ts';
import { localHost } from '../../../lib/ssh/local.ts';
import type { Host } from '../../../lib/ssh/types.ts';

test('all leases of a guest are released, those with a client id by that id', async (t) => {
  const bin = mkdtempSync(join(tmpdir(), 'recheck-networks-'));
  t.after(() => rmSync(bin, { recursive: true }));
  const put = (name: string, text: string) => writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  put(
    'virsh',
    `case $* in
  *net-list*) echo default ;;
  *net-info*) printf 'Active: yes\\nBridge: virbr0\\n' ;;
  *) cat <<'ROWS'
 2026-11-25 14:26:00   52:54:00:aa:00:07   ipv4   192.168.122.113/24   -    -
 2026-11-25 14:26:01   52:54:00:aa:00:07   ipv4   192.168.122.114/24   vm   ff:00:aa
 2026-11-25 14:26:02   52:54:00:aa:00:07   ipv4   192.168.122.115/24   vm   01;id
 2026-11-25 14:26:03   52:54:00:aa:00:08   ipv4   192.168.122.116/24   vm   ff:00:bb
ROWS
esac`,
  );
  put('dhcp_release', `echo "$# $*" >>'${bin}/released'`);
  put('ip', ':');
  const local = localHost();
  const path = `PATH=${bin}:${process.env['PATH']}`;
  const host: Host = { ...local, run: (argv, options) => local.run(['env', path, ...argv], options) };
  const networks = new Networks(new Virsh('worker host-a', 'qemu:///system', async () => host));
  await networks.release([{ network: 'default', mac: '52:54:00:aa:00:07' }], AbortSignal.timeout(10_000));
  assert.deepEqual(readFileSync(join(bin, 'released'), 'utf8').trim().split('\n'), [
    '3 virbr0 192.168.122.113 52:54:00:aa:00:07',
    '4 virbr0 192.168.122.114 52:54:00:aa:00:07 ff:00:aa',
    '3 virbr0 192.168.122.115 52:54:00:aa:00:07',
  ]);
});
