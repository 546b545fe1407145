import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Build } from '../../../lib/builds/build.ts';
import type { Services } from '../../../lib/builds/services.ts';
import { bootStep } from '../../../lib/builds/steps/boot.ts';
import { CiError } from '../../../lib/errors/ci-error.ts';
import { diskFull, guestHalted, guestVanished, kvmFault } from '../../../lib/errors/libvirt.ts';
import { keyRefused } from '../../../lib/errors/ssh.ts';
import { NO_CLOUD_INIT_EXIT_CODE } from '../../../lib/guests/programs.ts';
import { abortable } from '../../../lib/util/abort.ts';
import type { GuestSpec, Hardware } from '../../../lib/worker/types.ts';
import { greeting, isGreeting } from '../../support/greeting.ts';

const ADDRESS = '192.0.2.1';
const full = { code: 'libvirt/guest-stopped', result: 'DISK_FULL' } as const;

/** How a worker differs from one that works. */
interface Behaviour {
  addresses?: () => Promise<unknown>;
  login?: () => Promise<unknown>;
  /** Exit code of the wait for cloud-init. */
  cloudInit?: () => Promise<{ code?: number; stdout?: string }>;
  console?: string;
  timeout?: number;
  networks?: string[];
  /** Hardware set in the guest's image and in the step. */
  image?: Hardware;
  settings?: Hardware;
  cloudInitLimit?: number;
}

/** Boots one guest on such a worker. */
function boot(behaviour: Behaviour = {}) {
  const did: string[] = [];
  const specs: GuestSpec[] = [];
  const said: string[] = [];
  let told: ((fault: CiError) => void) | undefined;
  const host = () => ({
    gone: new AbortController().signal,
    close() {},
    async run(argv: string[], options: { signal: AbortSignal }) {
      if (isGreeting(argv)) return greeting('boot-1');
      did.push('cloud-init');
      const end = await abortable(Promise.resolve(behaviour.cloudInit?.()), options.signal);
      return { code: 0, stdout: '', stderr: '', ...end };
    },
  });
  const worker = {
    label: 'worker a',
    isolated: true,
    bootsSystems: true,
    hypervisor: {
      async boot(spec: GuestSpec) {
        specs.push(spec);
        did.push('boot');
        return { domain: 'd' };
      },
      stop: async () => did.push('stop'),
      addresses: behaviour.addresses ?? (async () => [{ host: ADDRESS, port: 22 }]),
      console: async () => (behaviour.console === undefined ? undefined : [Buffer.from(behaviour.console)]),
      watch(_domain: string, tell: (fault: CiError) => void) {
        told = tell;
        return () => {};
      },
    },
    storage: { remove: async () => did.push('remove') },
    login: behaviour.login ?? (async () => host()),
  };
  const image = { name: 'debian', loginUser: 'debian', ...behaviour.image };
  const guest = { name: 'vm', domain: 'd', worker, image, clone: {}, addressEnv: 'VM_IP' };
  const build = {
    resources: { guests: new Map([['vm', guest]]) },
    env: {} as Record<string, string>,
    say: (line: string) => said.push(line),
  };
  const services = {
    key: { privateKey: '', publicKey: '' },
    scheduler: { noteBoot: () => did.push('note') },
    images: { clone: async () => did.push('clone') },
  };
  const { timeout = 20_000, networks = [], cloudInitLimit: cloudInit = 20_000 } = behaviour;
  const ending = bootStep(
    { build: build as unknown as Build, signal: new AbortController().signal, progress() {} },
    {
      memory: 1,
      vcpus: 1,
      networks: networks.map((source) => ({ source })),
      guests: [],
      timeout,
      cloudInit,
      ...behaviour.settings,
    },
    services as unknown as Services,
  );
  ending.catch(() => {});
  return { ending, did, said, specs, env: build.env, tell: (fault: CiError) => told!(fault) };
}

const failing = (error: Error) => async () => {
  throw error;
};

test('a guest is up once it accepts a login and cloud-init has finished; then its address is set', async () => {
  const { promise, resolve } = Promise.withResolvers<object>();
  const { ending, did, said, env } = boot({ cloudInit: () => promise });
  await sleep(20);
  assert.deepEqual([did, env], [['boot', 'cloud-init'], {}]);
  resolve({ code: 2, stdout: 'a warning\n' });
  await ending;
  assert.deepEqual(env, { VM_IP: ADDRESS });
  assert.deepEqual(did, ['boot', 'cloud-init', 'note']);
  assert.deepEqual(said.slice(0, 1), ['vm: cloud-init: a warning']);
  assert.match(said[1]!, /^vm: cloud-init finished with warnings after /);
});

test('does not wait for a guest without cloud-init, or if the limit is 0', async () => {
  const none = boot({ cloudInit: async () => ({ code: NO_CLOUD_INIT_EXIT_CODE }) });
  await none.ending;
  assert.deepEqual(none.said, [`vm: up at ${ADDRESS}`]);
  const skipped = boot({ cloudInitLimit: 0 });
  await skipped.ending;
  assert.deepEqual(skipped.did, ['boot', 'note']);
});

test('the boot fails if cloud-init fails, and the worker does not count as healthy', async () => {
  const { ending, did } = boot({ cloudInit: async () => ({ code: 1, stdout: 'errors:\n- RuntimeError: no\n' }) });
  await assert.rejects(ending, { code: 'build/cloud-init-failed', result: 'NODE_FAILURE' });
  assert.ok(!did.includes('note'));
});

test('DISK_FULL at once if the worker’s disk fills up while a guest boots', async () => {
  const stopped = failing(diskFull('worker a', 'd', 'No space left on device'));
  await assert.rejects(boot({ addresses: stopped }).ending, full);
  await assert.rejects(boot({ login: stopped }).ending, full);
});

test('DISK_FULL also if that is found when the login has timed out', async () => {
  const late = async () => {
    await sleep(60);
    throw diskFull('worker a', 'd', 'No space left on device');
  };
  await assert.rejects(boot({ addresses: late, timeout: 30 }).ending, full);
});

test('a paused or vanished guest ends the wait for its address, login and cloud-init at once', async () => {
  const never = () => new Promise<never>(() => {});
  const silent = failing(
    new CiError({ code: 'worker/guest-silent', blame: 'guest', loginFailure: 'silent', message: 'silent' }),
  );
  for (const behaviour of [{ login: silent }, { cloudInit: never }]) {
    const halted = boot(behaviour);
    await sleep(20);
    halted.tell(guestHalted('worker a', 'd', 'paused (unknown)', ''));
    await assert.rejects(halted.ending, { code: 'libvirt/guest-halted', result: 'NODE_FAILURE' });
  }
  const gone = boot({ login: silent, console: 'Kernel panic - not syncing\n' });
  await sleep(20);
  gone.tell(guestVanished('worker a', 'd'));
  await assert.rejects(gone.ending, { code: 'build/boot-failed', message: /Kernel panic - not syncing/ });
});

test('a guest for which KVM fails is booted again once, with emulation, on a fresh clone', async () => {
  const faults = [kvmFault('worker a', 'd', 'KVM internal error. Suberror: 1')];
  const addresses = async () => {
    const fault = faults.shift();
    if (fault) throw fault;
    return [{ host: ADDRESS, port: 22 }];
  };
  const { ending, did, said } = boot({ addresses });
  await ending;
  assert.deepEqual(did, ['boot', 'stop', 'remove', 'clone', 'boot', 'cloud-init', 'note']);
  assert.match(said[0]!, /^vm: worker a: KVM failed while it ran guest d .*Booting it again with emulation\.$/);
  // KVM may also fail after the first login, while the system is still booting.
  let boots = 0;
  const later = boot({ cloudInit: () => (boots++ === 0 ? new Promise(() => {}) : Promise.resolve({ code: 0 })) });
  await sleep(20);
  later.tell(kvmFault('worker a', 'd', 'KVM internal error. Suberror: 1'));
  await later.ending;
  assert.deepEqual(later.did.slice(0, 5), ['boot', 'cloud-init', 'stop', 'remove', 'clone']);
  assert.deepEqual(later.did.slice(5), ['boot', 'cloud-init', 'note']);
  const twice = boot({ addresses: failing(kvmFault('worker a', 'd', 'KVM internal error. Suberror: 1')) });
  await assert.rejects(twice.ending, { code: 'libvirt/guest-kvm', result: 'NODE_FAILURE' });
  assert.deepEqual(twice.did, ['boot', 'stop', 'remove', 'clone', 'boot']);
});

test('a login timeout reports the most specific reason', async () => {
  const place = { label: 'guest', user: 'debian', host: ADDRESS, port: 22 };
  const refused = keyRefused(place, 'ssh-ed25519 AAAA');
  await assert.rejects(boot({ login: failing(refused), timeout: 50 }).ending, {
    code: 'build/boot-failed',
    message: /within 0\.05 s \(.*the server refused this key/,
  });
});

test('a private bridge as the first card is mentioned at the start and as the reason for a missing address', async () => {
  const addresses = async () => {
    await sleep(60);
    throw new Error('aborted');
  };
  const boots = async (...networks: string[]) => {
    const { ending, said } = boot({ addresses, networks, timeout: 30 });
    const fault = await ending.then(
      () => assert.fail('it came up'),
      (error: Error) => error,
    );
    return { said: said.join(), message: fault.message };
  };
  const wrong = await boots('lan%', 'default');
  assert.match(wrong.said, /first network card is on a private bridge/);
  assert.match(wrong.message, /no address .*first network card is on a private bridge.*first, unless the image/);
  for (const networks of [['default', 'lan%'], ['default'], ['br0', 'default']]) {
    const { said, message } = await boots(...networks);
    assert.doesNotMatch(said + message, /private/, networks.join());
  }
});

test('a guest has the hardware that its image needs, unless the step sets other hardware', async () => {
  const image = { cpu: 'x86-64-v3', firmware: 'uefi' } as const;
  const behaviours: Behaviour[] = [
    { image },
    { image, settings: { cpu: 'max' } },
    { settings: { firmware: 'bios' } },
    {},
  ];
  const specs: GuestSpec[] = [];
  for (const behaviour of behaviours) {
    const booted = boot(behaviour);
    await booted.ending;
    specs.push(...booted.specs);
  }
  assert.deepEqual(
    specs.map(({ cpu, firmware }) => [cpu, firmware]),
    [
      ['x86-64-v3', 'uefi'],
      ['max', 'uefi'],
      [undefined, 'bios'],
      [undefined, undefined],
    ],
  );
  assert.ok(!('cpu' in specs[3]!) && !('firmware' in specs[3]!));
});

test('if the console shows the wrong hardware, the message says what to choose', async () => {
  const never = async () => {
    await sleep(60);
    throw new Error('aborted');
  };
  const says = (console: string, image: Hardware = {}) =>
    boot({ addresses: never, timeout: 30, console, image }).ending;
  await assert.rejects(says('Fatal glibc error: CPU does not support x86-64-v2\nKernel panic\n'), {
    code: 'build/boot-failed',
    message: /no address after 0\.03 s\. .*choose x86-64-v2 as CPU model .* Its console ends with: "Kernel panic"\.$/,
  });
  await assert.rejects(says(''), {
    message: /Its console is empty: can its disk boot with BIOS\? .*choose UEFI/,
  });
  await assert.rejects(says('', { firmware: 'uefi' }), { message: /can its disk boot with UEFI\? .*choose BIOS/ });
  await assert.rejects(says('Welcome\n'), { message: /Does its network have a DHCP server/ });
});
