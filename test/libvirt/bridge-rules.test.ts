import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PrivateBridges } from '../../lib/libvirt/network/private-bridges.ts';
import { Virsh } from '../../lib/libvirt/virsh.ts';
import { scriptedHost } from './scripted-host.ts';

const signal = AbortSignal.timeout(20_000);
const owner = { controller: 'c1c1c1c1c1c1', build: 'b1', attempt: 1 };
const RULE = 'FORWARD -i ci0 -o ci0 -m comment --comment recheck-bridge-ci0 -j ACCEPT\n';

/** A fake `ip` that creates, names and removes bridges as the kernel shows them. */
const IP = `
net="$WORKER/sys/class/net"
case "$*" in
  'link add name '*) mkdir -p "$net/$4/bridge" "$net/$4/brif" ;;
  'link set dev '*' alias '*) echo "$6" >"$net/$4/ifalias" ;;
  'link delete dev '*) rm -r "$net/$4" ;;
esac
`;
/** A fake `iptables` that keeps rules, the newest first. */
const IPTABLES = `
[ "$1" = -w ] || exit 2
how=$2 rules="$WORKER/rules"
shift 2
[ ! -e "$WORKER/broken" ] || { echo 'no such table' >&2; exit 3; }
there() { grep -qxF -e "$*" "$rules"; }
case $how in
  -C) there "$@" ;;
  -I) echo "$*" | cat - "$rules" >"$rules.new" && mv "$rules.new" "$rules" ;;
  -D) there "$@" && { grep -vxF -e "$*" "$rules" >"$rules.new"; mv "$rules.new" "$rules"; } ;;
esac
`;

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** Runs the programs with sh, on a folder in place of /proc and /sys, with a fake ip and iptables. */
function worker(filters?: '0' | '1') {
  const root = mkdtempSync(join(tmpdir(), 'bridge-rules-'));
  folders.push(root);
  for (const folder of ['bin', 'sys/class/net', 'proc/sys/net/bridge'])
    mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, 'bin/ip'), `#!/bin/sh\n${IP}`, { mode: 0o755 });
  writeFileSync(join(root, 'bin/iptables'), `#!/bin/sh\n${IPTABLES}`, { mode: 0o755 });
  writeFileSync(join(root, 'rules'), '');
  if (filters) writeFileSync(join(root, 'proc/sys/net/bridge/bridge-nf-call-iptables'), `${filters}\n`);
  const host = scriptedHost(([command, ...args]) => {
    const own = args.map((arg) => arg.replace(/(?<![\w}])\/(?=(?:proc\/sys|sys\/class)\/)/g, `${root}/`));
    const env = { PATH: `${root}/bin:${process.env['PATH']}`, WORKER: root };
    const { status, stdout, stderr } = spawnSync(command!, own, { env, encoding: 'utf8' });
    return { code: status ?? -1, stdout, stderr };
  });
  return {
    bridges: new PrivateBridges(new Virsh('worker host-a', 'qemu:///system', async () => host)),
    rules: () => readFileSync(join(root, 'rules'), 'utf8'),
    isThere: (bridge: string) => existsSync(join(root, 'sys/class/net', bridge)),
    hang: (bridge: string, port: string) => writeFileSync(join(root, 'sys/class/net', bridge, 'brif', port), ''),
    breakRules: () => writeFileSync(join(root, 'broken'), ''),
  };
}

test('if br_netfilter filters bridges, a private bridge gets one rule, which is removed with it', async () => {
  const { bridges, rules, isThere, hang } = worker('1');
  assert.equal(await bridges.ensure(owner, 'ci%', signal), 'ci0');
  assert.equal(rules(), RULE);
  hang('ci0', 'rk525400000001');
  assert.equal(await bridges.ensure(owner, 'ci%', signal), 'ci0');
  assert.equal(rules(), RULE, 'the second guest needs no second one');
  await bridges.release(owner, signal);
  assert.equal(rules(), RULE, 'a guest hangs on it');
  rmSync(join(folders.at(-1)!, 'sys/class/net/ci0/brif/rk525400000001'));
  await bridges.release(owner, signal);
  assert.deepEqual([rules(), isThere('ci0')], ['', false]);
});

test('a bridge without a rule gets one with the next guest, and can be removed without one', async () => {
  const { bridges, rules, isThere } = worker('1');
  await bridges.ensure(owner, 'ci%', signal);
  writeFileSync(join(folders.at(-1)!, 'rules'), '');
  await bridges.ensure(owner, 'ci%', signal);
  assert.equal(rules(), RULE);
  writeFileSync(join(folders.at(-1)!, 'rules'), 'FORWARD -j DOCKER-USER\n');
  await bridges.release(owner, signal);
  assert.deepEqual([rules(), isThere('ci0')], ['FORWARD -j DOCKER-USER\n', false]);
});

test('there is no rule if bridges are not filtered', async () => {
  for (const filters of ['0', undefined] as const) {
    const { bridges, rules, isThere, breakRules } = worker(filters);
    breakRules();
    await bridges.ensure(owner, 'ci%', signal);
    assert.equal(rules(), '');
    await bridges.release(owner, signal);
    assert.equal(isThere('ci0'), false);
  }
});

test('a rule that cannot be made fails at once with the error of iptables', async () => {
  const { bridges, breakRules, isThere } = worker('1');
  breakRules();
  await assert.rejects(bridges.ensure(owner, 'ci%', signal), {
    code: 'libvirt/bridge',
    message: /ci could not be created or removed: no such table\. .*iptables/,
  });
  await bridges.release(owner, signal);
  assert.equal(isThere('ci0'), false);
});
