import assert from 'node:assert/strict';
import { test } from 'node:test';
import { make } from '../support/flow-builder.ts';
import { type LaneSettings, tinyImage } from './flow.ts';
import { assertEnd, Lab } from './lab.ts';
import { inSandbox } from './support.ts';
import { tinyFile, tinyVariant } from './tiny-variant.ts';

/** How the tiny guest asks for its address, and how it asks as another client (DHCP option 61): it gets another then. */
const ASK = 'udhcpc -q -n -i eth0';
const askAs = (client: string): string => `${ASK} -x 0x3d:${client} -s /etc/dhcp.sh -t 30 -T 1 >/dev/null 2>&1`;

inSandbox(import.meta.url, { limit: 200_000, disks: ['tiny'] }, () => {
  const lab = Lab.forFile();

  /** A lane whose image is the tiny guest with another program of its boot. */
  const booting = (rc: string): LaneSettings => ({
    nodes: [
      ...lab.nodes(),
      tinyImage({ id: 'own-image', name: 'own', url: `file://${tinyVariant({ 'etc/rc': rc })}` }),
    ],
  });

  test('two guests that ask for an address with one client id are told so: NODE_FAILURE, no vote', async () => {
    const lane = booting(tinyFile('rc').replace(ASK, `${ASK} -x 0x3d:00c0ffee`));
    const outcome = await lab.run(
      { ...lane, guests: 'slave master', script: 'sleep 20' },
      { 'clone-slave': { image: 'own-image' }, 'clone-master': { image: 'own-image' } },
    );
    const says =
      /guests recheck-\w+-1-(slave|master) and recheck-\w+-1-(slave|master) have the same address, 192\.168\.122\.\d+\. .*is \/etc\/machine-id empty in the image\?/;
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', says });
  });

  test('a guest whose address changes as it boots, and again between two scripts: both run, and are told the current one', async () => {
    const where = (name: string): string =>
      `echo "${name} at $VM_IP is $(ip -4 -o addr show eth0 | sed 's/.*inet //; s|/.*||')"`;
    const lane = booting(tinyFile('rc').replace("said 'metadata'", `${askAs('00aa')}\nsaid 'metadata'`));
    const next = make('ssh-exec', {
      id: 'next',
      name: 'next',
      script: where('second'),
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
        script: `${where('first')}\n(sleep 0.5; ${askAs('00bb')}) </dev/null >/dev/null 2>&1 &`,
      },
      { 'clone-vm': { image: 'own-image', addressEnv: 'VM_IP' }, 'ssh-exec1': { wires: [['pause'], []] } },
    );
    assertEnd(lab.red, outcome, { result: 'SUCCESS', vote: 1 });
    const told = [...outcome.console.matchAll(/\| (first|second) at (\S+) is (\S+)$/gm)];
    assert.deepEqual(
      told.map(([, name]) => name),
      ['first', 'second'],
      outcome.console,
    );
    for (const [, , at, is] of told) assert.equal(at, is);
    assert.notEqual(told[0]![2], told[1]![2]);
    const { duration } = outcome.build.steps.find(({ name }) => name === 'next')!;
    assert.ok(duration < 20_000, `${duration} ms: its old address is given up before the connection's keep-alive is`);
  });
});
