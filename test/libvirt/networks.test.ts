import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Networks } from '../../lib/libvirt/networks.ts';
import { withVirsh } from './fake-virsh.ts';

const MAC = '52:54:00:00:00:01';
const CLIENT = 'ff:56:50:4d:98:00:02:00:00:ab:11:9f:c8:3a:e5:1c:09:24:d7';

/** As `virsh -q net-dhcp-leases` prints them. */
const LEASES = `
 2026-11-25 14:00:00   ${MAC}   ipv4   192.168.122.43/24   vm       ${CLIENT}
 2026-11-25 14:00:00   ${MAC}   ipv4   192.168.122.42/24   -        -
 2026-11-25 14:00:00   52:54:00:00:00:02   ipv4   192.168.122.44/24   other    -`;

test('each lease of a guest is given back, by the client id that it was given to', async (t) => {
  const { virsh, at } = withVirsh(
    t,
    `case $1 in
  net-list) echo default ;;
  net-info) printf 'Name: default\\nActive: yes\\nBridge: virbr0\\n' ;;
  net-dhcp-leases) cat <<'END'${LEASES}
END
  ;;
esac`,
    { dhcp_release: 'echo "$@" >>$S/released', ip: '' },
  );
  await new Networks(virsh).release([{ network: 'default', mac: MAC }], AbortSignal.timeout(20_000));
  assert.deepEqual(readFileSync(at('released'), 'utf8').trim().split('\n'), [
    `virbr0 192.168.122.43 ${MAC} ${CLIENT}`,
    `virbr0 192.168.122.42 ${MAC}`,
  ]);
});
