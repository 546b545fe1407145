import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask, logOf } from '../support/build-runs.ts';
import { job, make } from '../support/flow-builder.ts';
import { assertEnd, Lab, scriptRuns } from './lab.ts';
import { controlLibvirtd, inSandbox, stackFolder } from './support.ts';

/** A script that runs long enough to be disrupted. */
const LONG_SCRIPT = 'echo now it runs; sleep 300';

const onlyDomain = (): string => execFileSync('virsh', ['-q', 'list', '--name'], { encoding: 'utf8' }).trim();

inSandbox(import.meta.url, { limitMs: 600_000, disks: ['tiny'] }, () => {
  const lab = Lab.forFile();

  test('a script fails with an exit code or a signal: FAILURE, vote -1', async () => {
    const outcome = await lab.run({ script: 'exit 3' });
    assertEnd(lab.red, outcome, { result: 'FAILURE', vote: -1, at: 'work', says: /vm: the script exited with code 3/ });
    const killed = await lab.run({ script: 'kill -KILL $$' });
    assertEnd(lab.red, killed, { result: 'FAILURE', vote: -1, at: 'work', says: /vm: the script was ended by .*KILL/ });
  });

  test('the patch’s script exceeds the job’s time limit: TIMED_OUT, vote -1', async () => {
    const jobs = { jobs: [job('unit', { timeout: '0.05' })] };
    const outcome = await lab.run({ script: 'sleep 300', jobs });
    assertEnd(lab.red, outcome, {
      result: 'TIMED_OUT',
      vote: -1,
      at: 'work',
      says: /The job exceeded its time limit of 0.05 min/,
    });
  });

  test('a guest reboots during a step: FAILURE, vote -1', async () => {
    const outcome = await lab.run({ script: 'sync; reboot -f; sleep 60' });
    const says = /Guest vm rebooted\. If a script may do that, tick "the guest may reboot"/;
    assertEnd(lab.red, outcome, { result: 'FAILURE', vote: -1, at: 'work', says });
  });

  test('a guest reboots after its last script: FAILURE, vote -1, and its logs are fetched', async () => {
    const pause = make('delay', { id: 'pause', pauseType: 'delay', timeout: '5', timeoutUnits: 'seconds', outputs: 1 });
    const outcome = await lab.run(
      {
        script:
          'echo what was done >/root/kept.log; sync; setsid sh -c "sleep 1; reboot -f" </dev/null >/dev/null 2>&1 &',
        nodes: [...lab.nodes(), { ...pause, wires: [['publish-logs1']] }],
        publish: { files: [{ guest: '', path: '/root/kept.log', dir: '' }] },
      },
      { 'ssh-exec1': { wires: [['pause'], []] } },
    );
    const says = /Guest vm rebooted\. If a script may do that, tick "the guest may reboot"/;
    assertEnd(lab.red, outcome, { result: 'FAILURE', vote: -1, at: 'publish logs', says });
    assert.match(await logOf(outcome, 'kept.log'), /what was done/);
  });

  test('a guest that may reboot: the next step runs after the reboot', async () => {
    const next = make('ssh-exec', {
      id: 'next',
      name: 'next',
      script: 'cat /root/kept; awk "{ print (\\$1 < 100) }" /proc/uptime',
      interpreter: '/bin/bash -e',
      user: '',
      wires: [['publish-logs1'], []],
    });
    const outcome = await lab.run(
      { script: 'echo from before >/root/kept; sync; reboot -f; sleep 60', nodes: [...lab.nodes(), next] },
      { 'ssh-exec1': { mayReboot: true, wires: [['next'], []] } },
    );
    assertEnd(lab.red, outcome, { result: 'SUCCESS', vote: 1 });
    assert.match(outcome.console, /vm: up again after its reboot[\s\S]* \| from before\n/);
  });

  test('the worker’s sshd restarts during a step: NODE_FAILURE, no vote, and the guest’s logs are fetched', async () => {
    const outcome = await lab.disrupt(
      {
        script: `echo what was done >/root/kept.log; ${LONG_SCRIPT}`,
        publish: { files: [{ guest: '', path: '/root/kept.log', dir: '' }] },
      },
      {
        when: scriptRuns,
        async action() {
          await lab.sshd.stop();
          await lab.sshd.start();
        },
      },
    );
    const says = /The SSH connection to guest vm was lost: it was cut while a script ran\. .*The patch is not blamed/;
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'work', says });
    assert.equal(outcome.results['publish logs'], 'SUCCESS');
    assert.match(await logOf(outcome, 'kept.log'), /what was done/);
  });

  test('libvirtd restarts during a step: the build continues', async () => {
    const outcome = await lab.disrupt(
      { script: 'echo now it runs; sleep 3; echo and goes on' },
      {
        when: scriptRuns,
        action() {
          controlLibvirtd('stop');
          controlLibvirtd('start');
        },
      },
    );
    assertEnd(lab.red, outcome, { result: 'SUCCESS', vote: 1 });
  });

  test('a domain is destroyed manually during a step: NODE_FAILURE, no vote', async () => {
    const outcome = await lab.disrupt(
      { script: LONG_SCRIPT },
      { when: scriptRuns, action: () => execFileSync('virsh', ['-q', 'destroy', onlyDomain()]) },
    );
    const says = /guest recheck-\w+-1-vm was running and is gone: it powered off, or somebody destroyed it/;
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'work', says });
  });

  test('a clone is deleted manually during a step: the guest keeps running, and the rest is cleaned up', async () => {
    const outcome = await lab.disrupt(
      { script: 'echo now it runs; sleep 3; echo and goes on' },
      { when: scriptRuns, action: () => lab.deleteClone() },
    );
    assertEnd(lab.red, outcome, { result: 'SUCCESS', vote: 1 });
  });

  test('a clone is deleted manually before its boot: NODE_FAILURE, no vote', async () => {
    const outcome = await lab.disrupt(
      {},
      {
        when: (events) => events.some((event) => event.kind === 'step-started' && event.node === 'metadata-server1'),
        action: () => lab.deleteClone(),
      },
    );
    assertEnd(lab.red, outcome, {
      result: 'NODE_FAILURE',
      at: 'boot',
      says: /guest recheck-\w+-1-vm could not be started: .*Has somebody deleted its clone/,
    });
  });

  test('the log disk fills up as a script passes: DISK_FULL, no vote', async () => {
    const root = join(stackFolder!, 'logs');
    mkdirSync(root);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', root]);
    const outcome = await lab.disrupt(
      { script: 'echo now it runs; sleep 3; seq 3000', publish: { root } },
      {
        when: scriptRuns,
        action: () => assert.throws(() => writeFileSync(join(root, 'filler'), Buffer.alloc(4 << 20)), /ENOSPC/),
      },
    );
    assertEnd(lab.red, outcome, { result: 'DISK_FULL' });
    assert.match(outcome.fault!.message!, /no space is left for .*console\.log on this machine\. Free some/);
    execFileSync('umount', ['-l', root]);
  });

  test('stopped in the editor during a step: ABORTED, no vote', async () => {
    const outcome = await lab.disrupt(
      { script: LONG_SCRIPT },
      { when: scriptRuns, action: () => ask(lab.red, 'POST', 'ci-jobs/ci-jobs1/abort') },
    );
    assertEnd(lab.red, outcome, { result: 'ABORTED', at: 'work' });
  });

  test('a guest can reach only its own metadata, and nothing on the worker’s loopback', async () => {
    const secret = createServer((_request, response) => response.end('worker secret'));
    await new Promise<void>((resolve) => secret.listen(0, '127.0.0.1', resolve));
    const { port } = secret.address() as AddressInfo;
    const get = (host: string, at: number, path: string, more = '') =>
      `timeout 5 bash -c 'exec 3<>/dev/tcp/${host}/${at} && printf "GET ${path} HTTP/1.0\\r\\n${more}\\r\\n" >&3 && cat <&3' || echo none`;
    const lane = {
      guests: 'slave master',
      script: `
mine=$(ip -4 -o addr show eth0 | sed 's/.*inet //; s|/.*||')
${get('169.254.169.254', 80, '/latest/meta-data/local-hostname')}
${get('169.254.169.254', 80, '/latest/meta-data/local-hostname', 'X-Real-IP: $MASTER_IP\\r\\nX-Forwarded-For: $MASTER_IP\\r\\n')}
echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet; echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet
ip addr flush dev lo; ip route flush table local 127.0.0.0/8
ip route replace 127.0.0.0/8 via 192.168.122.1 dev eth0 src $mine
echo; ${get('127.0.0.1', port, '/')}`,
      exec: { guests: 'slave' },
    };
    const outcome = await lab.run(lane, { 'clone-master': { addressEnv: 'MASTER_IP' } });
    secret.close();
    secret.closeAllConnections();
    assertEnd(lab.red, outcome, { result: 'SUCCESS', vote: 1 });
    // One request as itself, one as the other. A response ends without a newline, so the next one follows it directly.
    assert.equal(outcome.console.match(/\| slave(?:HTTP|$)/gm)?.length, 2, outcome.console);
    assert.doesNotMatch(outcome.console, /\| master(?:HTTP|$)|worker secret/m);
    assert.match(outcome.console, /\| none$/m);
  });
});
