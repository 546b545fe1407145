/** Flows that were saved with 0.1.0 deploy without being opened in the editor, and every setting in them is read. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import { ask } from '../support/build-runs.ts';
import { freePort } from '../support/free-port.ts';
import { type FlowConfig, startRed, type TestRed } from '../support/red.ts';
import { registrations } from '../support/registrations.ts';

const root = join(import.meta.dirname, '..', '..');
const fixtures = join(import.meta.dirname, 'fixtures');
const flowIn = (...path: string[]): FlowConfig[] => JSON.parse(readFileSync(join(fixtures, ...path), 'utf8'));
const everySetting = flowIn('every-setting.json');
const types = registrations();

/** Settings that this flow does not read: those for the editor only, and the host of a script that runs only after a failure. */
const NOT_READ = ['ci-jobs lanes.label', 'ci-jobs outputs', 'ssh-exec host'];

/** Settings that the runtime has read, as `type property`; settings of rows as `type property.inner`. */
const read = new Set<string>();

/** Returns a proxy for a node's configuration, or a part of it, that records which settings are read. */
function watched<Value>(value: Value, name: string): Value {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, key, receiver) {
      const found: unknown = Reflect.get(target, key, receiver);
      if (typeof key === 'symbol' || !Object.hasOwn(target, key)) return found;
      const inner = Array.isArray(target) ? name : name.includes(' ') ? `${name}.${key}` : `${name} ${key}`;
      read.add(inner);
      return watched(found, inner);
    },
  });
}

/** Makes Node-RED pass such proxies to our nodes. */
function watchSettings(): void {
  const registry = createRequire(join(root, 'node_modules', 'node-red', 'package.json'))('@node-red/registry') as {
    get(type: string): unknown;
  };
  const get = registry.get.bind(registry);
  registry.get = (type) => {
    const make = get(type);
    if (!types.has(type) || typeof make !== 'function') return make;
    return new Proxy(make, {
      construct: (target, [config]) => Reflect.construct(target, [watched(config, type)]),
    });
  };
}

/** Returns the names of all settings in a node, as `watched` records them. */
function settingsIn(value: unknown, name: string): string[] {
  if (Array.isArray(value)) return value.flatMap((each) => settingsIn(each, name));
  if (typeof value !== 'object' || value === null) return [name];
  return Object.entries(value).flatMap(([key, each]) => settingsIn(each, `${name}.${key}`));
}

const ERROR_LEVEL = 20;

/** Returns the logged errors, without those of worker hosts, which log one if this machine has no libvirt. */
const errors = (red: TestRed, flow: FlowConfig[]): string[] => {
  const workers = new Set(flow.filter(({ type }) => type === 'worker-host').map(({ id }) => id));
  return red.logs.filter(({ level, id }) => level <= ERROR_LEVEL && !workers.has(id ?? '')).map(({ msg }) => msg);
};

let red: TestRed;
let dir: string;
before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'recheck-saved-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const { privateKey, publicKey } = generateKeyPair('operator');
  Object.assign(process.env, {
    FIXTURE_KEY: file('key', privateKey),
    FIXTURE_KEYS: file('keys', publicKey),
    FIXTURE_SCRIPT: file('script.sh', 'true\n'),
    FIXTURE_EVENTS: file('events.jsonl', ''),
    FIXTURE_USER: userInfo().username,
    FIXTURE_WORKER: join(dir, 'worker'),
    FIXTURE_LOGS: join(dir, 'logs'),
    FIXTURE_PORT: String(await freePort()),
  });
  mkdirSync(join(dir, 'logs'));
  watchSettings();
  red = await startRed();
});
after(async () => {
  await red?.close();
  rmSync(dir, { recursive: true, force: true });
});

test('the fixture has every setting of every node type', () => {
  for (const [type, { defaults }] of types) {
    const nodes = everySetting.filter((node) => node.type === type);
    assert.ok(nodes.length > 0, `a ${type}`);
    for (const [property, { value }] of Object.entries(defaults)) {
      assert.ok(
        nodes.every((node) => property in node),
        `${property} of ${type}`,
      );
      const isSet = nodes.some((node) => JSON.stringify(node[property]) !== JSON.stringify(value));
      assert.ok(isSet, `${property} of ${type} has another value than its default`);
    }
  }
});

for (const file of readdirSync(join(fixtures, 'flows-0.1.0'))) {
  test(`${file} of 0.1.0 deploys unchanged`, async () => {
    const flow = flowIn('flows-0.1.0', file);
    red.logs.length = 0;
    await red.deploy(flow);
    assert.deepEqual(errors(red, flow), []);
  });
}

test('a flow with every setting deploys and runs, and every setting in it is read', async () => {
  red.logs.length = 0;
  await red.deploy(everySetting);
  red.send('jobs', {
    change: { project: 'demo', branch: 'master', number: 7, topic: 'x' },
    patchset: 1,
    payload: { change: { topic: 'x' } },
    trigger: { type: 'patchset', key: 'saved-flow', reason: '' },
  });
  const { result } = await red.event('build-ended');
  assert.equal(result, 'SUCCESS', JSON.stringify(red.logs.slice(-5)));
  assert.match(
    red
      .received('lines')
      .flatMap(({ payload }) => payload as string[])
      .join('\n'),
    /level 3 at 127\.\S+, color blue, token 6/,
  );
  await red.event('report', ({ state }) => state.state === 'silent');
  assert.deepEqual(errors(red, everySetting), []);

  // Configuration nodes read some settings only on request.
  const images = everySetting.filter(({ type }) => type === 'vm-image');
  await Promise.all(images.map(({ id }) => ask(red, 'GET', `images/${id}`)));
  const saved = everySetting
    .filter(({ type }) => types.has(type))
    .flatMap(({ id: _id, type, z: _z, x: _x, y: _y, wires: _wires, credentials: _credentials, ...settings }) =>
      Object.entries(settings).flatMap(([property, value]) => settingsIn(value, `${type} ${property}`)),
    );
  assert.deepEqual([...new Set(saved)].filter((name) => !read.has(name) && !NOT_READ.includes(name)).sort(), []);
});
