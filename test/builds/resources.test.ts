import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BuildResources } from '../../lib/builds/resources.ts';
import type { Guest } from '../../lib/guests/guest.ts';
import type { Worker } from '../../lib/worker/types.ts';

test('the next call retries only what could not be released', async () => {
  const resources = new BuildResources();
  const calls: string[] = [];
  let away = true;
  resources.onRelease('The slot', async () => {
    calls.push('slot');
  });
  resources.onRelease('The metadata link', async () => {
    calls.push('link');
    if (away) throw new Error('the worker is away');
  });
  const faults = await resources.release(async () => {});
  assert.match(faults[0]!.message, /The metadata link could not be removed: the worker is away/);
  away = false;
  assert.deepEqual(await resources.release(async () => {}), []);
  assert.deepEqual(await resources.release(async () => {}), []);
  assert.deepEqual(calls, ['link', 'slot', 'link']);
});

test('a released guest is still shown: where it ran, and the commands to boot it manually', async () => {
  const resources = new BuildResources();
  const worker = {
    label: 'host-a',
    hypervisor: { console: async () => undefined, stop: async () => {} },
    storage: { remove: async () => {} },
    manualCommands: () => ['boot it', 'log in'],
  } as unknown as Worker;
  const guest: Guest = {
    name: 'vm',
    worker,
    image: { name: 'empty' } as Guest['image'],
    domain: 'unit-1',
    booted: true,
    address: { host: '10.0.0.5', port: 22 },
  };
  resources.guests.set('vm', guest);
  const running = resources.story();
  assert.deepEqual(running.guests['vm'], {
    host: 'host-a',
    image: 'empty',
    clone: 'unit-1',
    domain: 'unit-1',
    address: '10.0.0.5',
  });
  assert.deepEqual(await resources.release(async () => {}), []);
  assert.deepEqual(await resources.release(async () => {}), []);
  assert.deepEqual(resources.guestViews(), {});
  assert.deepEqual(resources.story(), running);
  assert.deepEqual(running.manualCommands, ['boot it', 'log in']);
});
