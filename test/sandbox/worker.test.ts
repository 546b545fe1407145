import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { guestProcesses } from '../../lib/sandbox/guest-processes.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import { waitFor } from '../support/wait.ts';
import { callOptions, image, owner, type World, worldFor } from './worker/sandbox-world.ts';

const markOf = async (world: World, domain: string): Promise<string> =>
  JSON.parse(await readFile(join(world.root, 'guests', `${domain}.json`), 'utf8')).mark;
const isRemoved = (path: string) =>
  access(path).then(
    () => false,
    () => true,
  );
const consoleOf = async (world: World, domain: string): Promise<string> =>
  text((await world.worker.hypervisor.console(domain, callOptions()))!);

test('a guest works from clone to removal: metadata, login, exec, sftp, stop, and nothing is left', async (t) => {
  const world = await worldFor(t);
  const { hypervisor, storage } = world.worker;
  const address = await world.boot('unit-1', '#!/bin/sh\necho "user data of $HOSTNAME"\necho made > from-user-data\n');
  assert.match(address.host, /^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+\.\d+$/);
  assert.equal(await hypervisor.domainAt(address.host, callOptions()), 'unit-1');
  assert.deepEqual(await hypervisor.list(callOptions()), [{ domain: 'unit-1', owner }]);

  const host = await world.login(address);
  const home = join(world.root, 'clones', 'unit-1');
  const ran = await host.run(['sh', '-c', 'pwd; echo "$HOME $HOSTNAME"; cat from-user-data; echo oops >&2; exit 3']);
  assert.deepEqual(ran, { code: 3, stdout: `${home}\n${home} host-unit-1\nmade\n`, stderr: 'oops\n' });
  const sftp = await host.sftp();
  const content = await new Promise<Buffer>((resolve, reject) =>
    sftp.readFile('from-user-data', (error, data) => (error ? reject(error) : resolve(data))),
  );
  assert.equal(content.toString(), 'made\n');
  const boot = await consoleOf(world, 'unit-1');
  assert.match(boot, /metadata: instance unit-1, hostname host-unit-1, 1 keys/);
  assert.match(boot, /user data of host-unit-1\n.*the script ended with exit code 0/s);
  assert.match(boot, /ssh: open at/);

  // A process with its own session, a different parent and no standard streams.
  await host.run(['sh', '-c', '(setsid sleep 1000 >/dev/null 2>&1 </dev/null &)']);
  const mark = await markOf(world, 'unit-1');
  await waitFor('the background process runs', () => guestProcesses(mark).length === 2);

  const gone = new Promise((resolve) => host.gone.addEventListener('abort', resolve));
  await hypervisor.stop('unit-1', callOptions());
  assert.deepEqual(guestProcesses(mark), []);
  await gone;
  assert.equal(await hypervisor.domainAt(address.host, callOptions()), undefined);
  assert.deepEqual(await hypervisor.list(callOptions()), []);
  assert.equal(await isRemoved(join(world.root, 'guests', 'unit-1')), true);
  assert.equal(await hypervisor.console('unit-1', callOptions()), undefined);
  await assert.rejects(new Promise((_, reject) => connect(address.port, address.host).on('error', reject)), {
    code: 'ECONNREFUSED',
  });
  await storage.remove('unit-1', callOptions());
  assert.deepEqual(await storage.list(callOptions()), []);
  assert.equal(await isRemoved(home), true);
  await hypervisor.stop('unit-1', callOptions());
});

test('a guest cannot read the metadata of another', async (t) => {
  const world = await worldFor(t);
  const [ann] = await Promise.all([world.boot('ann'), world.boot('bob')]);
  const host = await world.login(ann);
  const ask = `
    const get = require('node:http').get;
    get('${world.link.url}/latest/meta-data/instance-id', { localAddress: process.argv[1] }, (response) =>
      response.on('data', (body) => console.log(response.statusCode, String(body))));`;
  const own = await host.run([process.execPath, '-e', ask, ann.host]);
  assert.equal(own.stdout, '200 ann\n');
  const other = await host.run([process.execPath, '-e', ask, '127.0.0.1']);
  assert.equal(other.stdout, '404 Not Found\n');
  host.close();
});

test('a second boot changes nothing; another owner is refused; another domain gets its own address', async (t) => {
  const world = await worldFor(t);
  const first = await world.boot('unit-1');
  assert.deepEqual(await world.boot('unit-1'), first);
  assert.equal((await world.worker.hypervisor.list(callOptions())).length, 1);
  const foreign = { ...(await world.spec('unit-1')), owner: { ...owner, attempt: 2 } };
  await assert.rejects(world.worker.hypervisor.boot(foreign, callOptions()), { code: 'worker/foreign-guest' });
  const second = await world.boot('unit-2');
  assert.notEqual(second.host, first.host);
});

test("only a key from the metadata is accepted, and only the guest's own host key is trusted", async (t) => {
  const world = await worldFor(t);
  const address = await world.boot('unit-1');
  const stranger = generateKeyPair('stranger');
  const login = { ...address, user: 'ci', privateKey: stranger.privateKey };
  await assert.rejects(world.worker.login(login, callOptions()), /key/);
  const wrongHost = { ...address, user: 'ci', privateKey: world.keys.privateKey, hostKey: stranger.publicKey };
  await assert.rejects(world.worker.login(wrongHost, callOptions()), /host key/);
  const noGuest = { ...login, host: '127.0.0.1' };
  await assert.rejects(world.worker.login(noGuest, callOptions()), { code: 'worker/no-guest-at-address' });
  assert.equal(await isRemoved(join(world.root, 'known-hosts.json')), true, 'host keys of guests are not stored');
});

test('a guest whose metadata never answers ends with the reason on its console and in the error', async (t) => {
  const world = await worldFor(t, { times: { metadata: 500 } });
  const { hypervisor } = world.worker;
  await hypervisor.boot(await world.spec('lost'), callOptions());
  await assert.rejects(hypervisor.addresses('lost', callOptions()), {
    code: 'worker/guest-died',
    result: 'NODE_FAILURE',
    message:
      /Guest lost ended with exit code 1 before SSH login was possible.*no metadata from http.*the answer was 404/,
  });
  assert.match(await consoleOf(world, 'lost'), /asking again/);
  await hypervisor.stop('lost', callOptions());
  assert.deepEqual(await hypervisor.list(callOptions()), []);
});

test('booting without a metadata server is an error that says what to do', async (t) => {
  const world = await worldFor(t);
  const { metadataUrl: _, ...spec } = await world.spec('alone');
  await world.worker.hypervisor.boot(spec, callOptions());
  await assert.rejects(
    world.worker.hypervisor.addresses('alone', callOptions()),
    /put a metadata-server node before the boot/,
  );
});

test('an abort ends the wait for an address, and the guest continues', async (t) => {
  const world = await worldFor(t);
  const { hypervisor } = world.worker;
  await hypervisor.boot(await world.spec('slow'), callOptions());
  const abort = new AbortController();
  const waiting = hypervisor.addresses('slow', { signal: abort.signal });
  abort.abort(new Error('superseded'));
  await assert.rejects(waiting, /superseded/);
  const document = { instanceId: 'slow', hostname: 'slow', authorizedKeys: [], userData: '', vendorData: '' };
  world.service.put('w1', 'slow', document);
  await hypervisor.addresses('slow', callOptions());
});

test('a killed guest is no longer found, and stop ends its processes', async (t) => {
  const world = await worldFor(t);
  const { hypervisor } = world.worker;
  const address = await world.boot('unit-1');
  const host = await world.login(address);
  await host.run(['sh', '-c', '(setsid sleep 1000 >/dev/null 2>&1 </dev/null &)']);
  const mark = await markOf(world, 'unit-1');
  const isGuest = (pid: number) => readFile(`/proc/${pid}/cmdline`, 'utf8').then((line) => line.includes('main.ts'));
  for (const pid of guestProcesses(mark)) if (await isGuest(pid)) process.kill(pid, 'SIGKILL');
  await waitFor('no guest has the address', async () => !(await hypervisor.domainAt(address.host, callOptions())));
  await assert.rejects(hypervisor.addresses('unit-1', callOptions()), { code: 'worker/guest-ended' });
  assert.equal(guestProcesses(mark).length, 1, 'the background process still runs');
  await hypervisor.stop('unit-1', callOptions());
  assert.deepEqual(guestProcesses(mark), []);
});

test('a guest that was never booted, and names that point outside the folder, are errors', async (t) => {
  const { worker } = await worldFor(t);
  await assert.rejects(worker.hypervisor.addresses('nobody', callOptions()), { code: 'worker/no-guest' });
  await assert.rejects(worker.hypervisor.stop('../x', callOptions()), { code: 'storage/bad-name' });
  assert.equal(worker.isolated, false);
  assert.equal(worker.acceptsUntrusted, false);
  assert.match(
    worker.manualCommands!(image, { name: 'vm' })[0]!,
    /^cp -a --reflink=auto .*\/images\/empty@k \/tmp\/recheck-vm$/,
  );
});
