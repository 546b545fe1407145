import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DOMAIN_TEMPLATE } from '../../lib/libvirt/domain-template.ts';
import { probeKvm } from '../../lib/libvirt/kvm/probe.ts';
import { Virsh } from '../../lib/libvirt/virsh.ts';
import { localHost } from '../../lib/ssh/local.ts';
import type { Host } from '../../lib/ssh/types.ts';
import { waitFor } from '../support/wait.ts';
import { madeImage, type Outcome, tinyImage } from './flow.ts';
import { assertEnd, at, Lab, scriptRuns } from './lab.ts';
import { inSandbox, stackFolder } from './support.ts';
import { tinyFile, tinyVariant } from './tiny-variant.ts';

/** Time within which a stopped guest must end its build. */
const DETECTION_LIMIT_MS = 60_000;

const virsh = (...args: string[]): string => execFileSync('virsh', ['-q', ...args], { encoding: 'utf8' }).trim();

const domains = (): string[] => virsh('list', '--name').split('\n').filter(Boolean);

const monitor = (domain: string, command: string): string =>
  virsh('qemu-monitor-command', '--domain', domain, '--hmp', command);

inSandbox(import.meta.url, { limitMs: 400_000, disks: ['tiny'] }, () => {
  const lab = Lab.forFile();
  let disruptedAt = 0;

  /** Returns an action that waits for the only guest and does something to it. */
  const toGuest = (what: (domain: string) => void) => async () => {
    const [domain] = await waitFor('a guest is there', () => domains().length === 1 && domains());
    what(domain!);
    disruptedAt = Date.now();
  };
  function assertDetectedSoon({ build }: Outcome): void {
    const fault = build.steps.find(({ result }) => result !== 'SUCCESS')!;
    const took = Date.parse(fault.startedAt) + fault.duration - disruptedAt;
    assert.ok(took < DETECTION_LIMIT_MS, `the step ended ${took} ms after its guest`);
  }

  test('a guest suspends itself during a step: immediate NODE_FAILURE, no vote', async () => {
    const outcome = await lab.disrupt(
      { script: 'echo now it runs; sleep 1; echo mem >/sys/power/state; sleep 300' },
      { when: scriptRuns, action: toGuest(() => {}) },
    );
    const says = /guest recheck-\w+-1-vm stopped: libvirt reports "pmsuspended/;
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'work', says });
    assertDetectedSoon(outcome);
  });

  test('QEMU stops a booting guest: immediate NODE_FAILURE with the end of QEMU’s log, no vote', async () => {
    const stop = (domain: string) => {
      appendFileSync(`/var/log/libvirt/qemu/${domain}.log`, 'qemu-system-x86_64: a device is in a bad way\n');
      monitor(domain, 'stop');
    };
    const outcome = await lab.disrupt({}, { when: at('booting'), action: toGuest(stop) });
    const says =
      /guest recheck-\w+-1-vm stopped: libvirt reports "paused \(\w+\)", .*QEMU's log ends with: ".*a device is in a bad way .*"/;
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'boot', says });
    assertDetectedSoon(outcome);
  });

  test('QEMU is killed while the build waits for cloud-init: immediate NODE_FAILURE, no vote', async () => {
    const waits = tinyVariant({
      'etc/rc': tinyFile('rc').replace('/dev/pts /dev/shm', '/dev/pts /dev/shm /run/cloud-init'),
      'usr/bin/cloud-init': '#!/bin/sh\n[ "$2" = --help ] || sleep 300\n',
    });
    const kill = (domain: string) =>
      process.kill(Number(readFileSync(`/run/libvirt/qemu/${domain}.pid`, 'utf8')), 'SIGKILL');
    const nodes = [...lab.nodes(), tinyImage({ id: 'waits', name: 'own', url: `file://${waits}` })];
    const outcome = await lab.disrupt(
      { nodes },
      { when: at('cloudInit'), action: toGuest(kill) },
      { 'clone-vm': { image: 'waits' } },
    );
    const says =
      /guest recheck-\w+-1-vm was running and is gone: it powered off, or somebody destroyed it\. QEMU's log ends with: ".*reason=crashed"/;
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'boot', says });
    assertDetectedSoon(outcome);
  });

  test('a guest is suspended during an image build: immediate NODE_FAILURE, no vote, no image', async () => {
    const changes = { 'clone-vm': { wires: [['publish-logs1']], image: 'vm-image2' } };
    const outcome = await lab.disrupt(
      { nodes: [...lab.nodes(), madeImage({ waits: 'sleep 300' })] },
      {
        when: (events) =>
          events.some((event) => event.kind === 'step-progress' && /^waits/.test(String(event.values?.['text']))),
        action: toGuest((domain) => virsh('suspend', domain)),
      },
      changes,
    );
    const says =
      /Image made: its guest was lost during: waits .*guest recheck-image-\S+ stopped: libvirt reports "paused \(user\)"/;
    assertEnd(lab.red, outcome, { result: 'NODE_FAILURE', at: 'clone vm', says });
    assertDetectedSoon(outcome);
  });

  test('the KVM probe’s guest prints its word when emulated, and a guest that hangs times out', async () => {
    /** Runs the KVM probe with emulation instead of KVM, and more arguments for QEMU. */
    const probe = (more: string) => {
      const bin = mkdtempSync(join(stackFolder!, 'bin-'));
      const put = (name: string, text: string) =>
        writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      put('virsh', `echo '<path>${bin}/qemu</path>'`);
      put(
        'qemu',
        `for word; do
  shift
  case $word in pc,accel=kvm) word=pc,accel=tcg ;; host) word=max ;; esac
  set -- "$@" "$word"
done
exec qemu-system-x86_64 "$@" ${more}`,
      );
      const local = localHost('worker host-a');
      const PATH = `PATH=${bin}:${process.env['PATH']}`;
      const host: Host = { ...local, run: (argv, options) => local.run(['env', PATH, ...argv], options) };
      return probeKvm(new Virsh('worker host-a', 'qemu:///system', async () => host), AbortSignal.timeout(180_000));
    };
    assert.deepEqual(await probe(''), { works: true, why: 'a guest under KVM showed life' });
    // A processor that never starts, one without long mode, and less memory than the guest writes to.
    const began = performance.now();
    for (const answer of await Promise.all(['-S', '-cpu qemu32', '-m 8'].map(probe)))
      assert.deepEqual(answer, { works: false, why: 'a guest under KVM showed no life within 5 s' });
    assert.ok(performance.now() - began < 10_000);
  });

  test('KVM fails for a booting guest: the worker remembers it, and the build continues emulated', async () => {
    const { stateDir } = lab.red.runtime();
    const file = join(stateDir, 'domain-types.json');
    const answers = () => JSON.parse(readFileSync(file, 'utf8')) as Record<string, { type: string; why: string }>;
    const address = `${lab.sshd.target.host}:${lab.sshd.target.port} qemu:///system`;
    writeFileSync(file, JSON.stringify({ [address]: { type: 'kvm', why: 'it was tried', at: Date.now() } }));
    // This machine may have no KVM, so the template emulates it.
    const template = DOMAIN_TEMPLATE.replace("type='{{type}}'", "type='qemu'").replace(
      "<cpu mode='{{mode}}'/>",
      "<cpu mode='custom'><model>qemu64</model></cpu>",
    );
    const types: string[] = [];
    const giveUp = (domain: string) => {
      types.push(answers()[address]!.type);
      appendFileSync(`/var/log/libvirt/qemu/${domain}.log`, 'KVM internal error. Suberror: 1\nemulation failure\n');
      monitor(domain, 'stop');
    };
    const outcome = await lab.disrupt(
      { nodes: lab.nodes({ domainType: 'auto' }), boot: { template } },
      { when: at('booting'), action: toGuest(giveUp) },
    );
    assertEnd(lab.red, outcome, { result: 'SUCCESS', vote: 1 });
    const [{ type, why } = { type: '', why: '' }] = Object.values(answers());
    assert.deepEqual([...types, type], ['kvm', 'qemu']);
    assert.match(why, /KVM failed while it ran guest recheck-\w+-1-vm \(KVM internal error\. Suberror: 1\)/);
    assert.match(outcome.console, /KVM failed while it ran guest .* Booting it again with emulation\.[\s\S]*vm: up at/);
  });
});
