import assert from 'node:assert/strict';
import { test } from 'node:test';
import { make } from '../support/flow-builder.ts';
import { type LaneSettings, tinyImage } from './flow.ts';
import { assertEnd, Lab } from './lab.ts';
import { inSandbox } from './support.ts';
import { tinyFile, tinyVariant } from './tiny-variant.ts';

/** The tiny guest's request for an address, and one with another client id (DHCP option 61), which gets another address. */
const DHCP_REQUEST = 'udhcpc -q -n -i eth0';
const requestAs = (client: string): string =>
  `${DHCP_REQUEST} -x 0x3d:${client} -s /etc/dhcp.sh -t 30 -T 1 >/dev/null 2>&1`;

inSandbox(import.meta.url, { limitMs: 200_000, disks: ['tiny'] }, () => {
  const lab = Lab.forFile();

  /** Returns a lane with an image of the tiny guest whose boot script is `rc`. */
  const laneBooting = (rc: string): LaneSettings => ({
    nodes: [
      ...lab.nodes(),
      tinyImage({ id: 'own-image', name: 'own', url: `file://${tinyVariant({ 'etc/rc': rc })}` }),
    ],
  });

  test('two guests with the same DHCP client id: NODE_FAILURE with the reason, no vote', async () => {
    const lane = laneBooting(tinyFile('rc').replace(DHCP_REQUEST, `${DHCP_REQUEST} -x 0x3d:00c0ffee`));
    const outcome = await lab.run(
      { ...lane, guests: 'slave master', script: 'sleep 20' },
      { 'clone-slave': { image: 'own-image' }, 'clone-master': { image: 'own-image' } },
    );
    const says =
      /guests recheck-\w+-1-(slave|master) and recheck-\w+-1-(slave|master) have the same address, 192\.168\.122\.\d+\. .*is \/etc\/machine-id empty in the image\?/;
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', says });
  });

  test('a guest’s address changes during its boot and between two scripts: both run, and are given the current address', async () => {
    const printAddress = (name: string): string =>
      `echo "${name} at $VM_IP is $(ip -4 -o addr show eth0 | sed 's/.*inet //; s|/.*||')"`;
    const lane = laneBooting(tinyFile('rc').replace("said 'metadata'", `${requestAs('00aa')}\nsaid 'metadata'`));
    const next = make('ssh-exec', {
      id: 'next',
      name: 'next',
      script: printAddress('second'),
      interpreter: '/bin/bash -e',
      user: '',
      wires: [['publish-logs1'], []],
    });
    const pause = make('delay', {
      id: 'pause',
      pauseType: 'delay',
      timeout: '2',
      timeoutUnits: 'seconds',
      outputs: 1,
      wires: [['next']],
    });
    const outcome = await lab.run(
      {
        nodes: [...lane.nodes!, pause, next],
        script: `${printAddress('first')}\n(sleep 0.5; ${requestAs('00bb')}) </dev/null >/dev/null 2>&1 &`,
      },
      { 'clone-vm': { image: 'own-image', addressEnv: 'VM_IP' }, 'ssh-exec1': { wires: [['pause'], []] } },
    );
    assertEnd(lab.red, outcome, { result: 'SUCCESS', vote: 1 });
    const printed = [...outcome.console.matchAll(/\| (first|second) at (\S+) is (\S+)$/gm)];
    assert.deepEqual(
      printed.map(([, name]) => name),
      ['first', 'second'],
      outcome.console,
    );
    for (const [, , at, is] of printed) assert.equal(at, is);
    assert.notEqual(printed[0]![2], printed[1]![2]);
    const { duration } = outcome.build.steps.find(({ name }) => name === 'next')!;
    assert.ok(
      duration < 20_000,
      `${duration} ms: the old address is abandoned before the connection's keep-alive expires`,
    );
  });
});
