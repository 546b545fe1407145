import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseTable } from '../gerrit/results-table.ts';
import { RealGerrit } from '../real/gerrit/fixture.ts';
import { ask } from '../support/build-runs.ts';
import { make } from '../support/flow-builder.ts';
import { connected, FlowFile } from '../support/flows.ts';
import { startRed, type TestRed } from '../support/red.ts';
import { waitFor } from '../support/wait.ts';
import { type BareHost, bareHost, sh } from './bare-host.ts';
import { forwardPort, type Listener, SANDBOX_ADDRESS, serveFile } from './servers.ts';
import { guestDisk, inSandbox, inventory, stackFolder } from './support.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Timeout from a push to its review. A trixie guest boots in some 70 s on an idle machine. */
const REVIEW_TIMEOUT_MS = 1_500_000;

/** Paths and addresses in the README, and their replacements in this test. */
const REPLACEMENTS: [string, string][] = [
  ['/ci/recheck', '/mnt/ci/recheck'],
  ['/store/', '/mnt/store/'],
  ['USER@HOST', 'root@127.0.0.1'],
];

/** Returns the commands of a section of the README, with the replacements made. */
function commandsOf(heading: string): string {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, section] =
    new RegExp(`\n## ${heading}\n([\\s\\S]*?)\n## `).exec(readme) ?? assert.fail(`no section ${heading}`);
  const [, commands] = /\n +```sh\n([\s\S]*?)```/.exec(section!) ?? assert.fail(`no commands in ${heading}`);
  return REPLACEMENTS.reduce((text, [from, to]) => text.replaceAll(from, to), commands!);
}

/** Returns the files of a patchset that contains its own test script. */
const files = (test: string) => ({ 'test/run.sh': `#!/bin/sh\n${test}\n` });

/** Follows the README's "Your first virtual machine", from a bare host to votes on a real Gerrit. */
inSandbox(import.meta.url, { limitMs: 900_000, disks: ['trixie'], gerrit: true }, () => {
  const flow = FlowFile.shipped('4 one VM on libvirt');
  let host: BareHost;
  let gerrit: RealGerrit;
  let web: Listener;
  let forwarded: Listener;
  let red: TestRed;
  let here: string;

  before(async () => {
    host = await bareHost({ hasCache: true });
    // An operator who can log in to the host and become root with sudo.
    sh(
      "ssh-keygen -q -N '' -t ed25519 -f /root/.ssh/id_ed25519 && cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys",
    );
    writeFileSync('/root/.ssh/config', 'StrictHostKeyChecking accept-new\n');
    mkdirSync('/root/bin');
    writeFileSync('/root/bin/sudo', '#!/bin/sh\nexec "$@"\n');
    chmodSync('/root/bin/sudo', 0o755);
    writeFileSync('/root/.bashrc', 'PATH=/root/bin:$PATH\n');
    // What `npm install` creates in Node-RED's user directory.
    mkdirSync('/root/.node-red/node_modules/@recheck', { recursive: true });
    symlinkSync(ROOT, '/root/.node-red/node_modules/@recheck/node-red-gerrit-ci');
    here = mkdtempSync(join(stackFolder!, 'operator-'));
    [gerrit, red] = await Promise.all([RealGerrit.start(), startRed()]);
  });
  after(async () => {
    await red?.close();
    await Promise.all([forwarded, web].map((one) => one?.close()));
    await gerrit?.close();
    sh('umount /mnt/ci/recheck || :');
    await host?.close();
  });

  const reviewsOf = async (change: number) =>
    (await gerrit.messages(change)).filter(({ author }) => author === gerrit.ciUser);
  const reviewOf = async (change: number) => {
    await waitFor(`a review of change ${change}`, async () => (await reviewsOf(change)).length > 0, REVIEW_TIMEOUT_MS);
    const [review, ...more] = await reviewsOf(change);
    assert.deepEqual(more, [], 'one review');
    return { ...parseTable(review!.message), message: review!.message };
  };
  const page = async (link: string, file = '') => (await fetch(new URL(file, link))).text();

  test('1: the README’s commands make the host a worker host', () => {
    const said = execFileSync('bash', ['-euc', commandsOf('Your first virtual machine')], {
      cwd: here,
      env: { ...process.env, HOME: '/root' },
      encoding: 'utf8',
    });
    assert.match(said, /done +btrfs: created in \/mnt\/store\/recheck\.btrfs/);
    assert.doesNotMatch(said, /BY HAND/);
  });

  test('2 and 3: with the host, the image and the login user set, the worker passes all checks', async () => {
    const disk = guestDisk('trixie');
    web = await serveFile(disk);
    forwarded = await forwardPort(Number(new URL(gerrit.site.httpUrl).port));
    flow.nodes.push(
      make('ssh-host', {
        id: 'worker-ssh',
        kind: 'ssh',
        host: '127.0.0.1',
        port: '22',
        user: 'root',
        keyFile: join(here, 'ci-key'),
        hostKey: '',
      }),
    );
    // The test machine may be busy.
    flow.set('worker-host', { host: 'worker-ssh', path: '/mnt/ci/recheck', load: '1000' });
    flow.set('vm-image', {
      url: `http://127.0.0.1:${web.port}/debian-13-genericcloud-amd64.qcow2`,
      sha256: createHash('sha256').update(readFileSync(disk)).digest('hex'),
      loginUser: 'debian',
    });
    await red.deploy(flow.nodes);
    const { id } = flow.node('worker-host');
    const asked = { id, config: flow.node('worker-host') };
    const { ok, checks } = await ask(red, 'POST', 'check/worker-host', asked);
    assert.equal(ok, true, JSON.stringify(checks, undefined, 1));
  });

  test('4 and 5: a good patchset gets +1 for a recheck, a broken one -1, and nothing is left behind', async (t) => {
    const good = await gerrit.pushChange({ subject: 'Good', files: files('echo "all is well as $(id -un)"') });
    flow.useGerrit(gerrit.target, gerrit.project);
    const [job] = flow.node('ci-jobs')['jobs'] as { env: object[] }[];
    job!.env = [{ name: 'GIT_URL', value: `http://${SANDBOX_ADDRESS}:${forwarded.port}/${gerrit.project}` }];
    // The guests are emulated on a machine that may be busy.
    flow.set('virsh-boot', { timeout: '1200' });
    await red.deploy(flow.nodes);
    await connected(red, flow);
    const before_ = inventory();
    const began = performance.now();
    await gerrit.comment(good.number, 'my-ci recheck');
    const broken = await gerrit.pushChange({ subject: 'Broken', files: files('echo nothing works >&2\nexit 3') });

    const [passed, failed] = await Promise.all([good, broken].map(({ number }) => reviewOf(number)));
    t.diagnostic(`${Math.round((performance.now() - began) / 1000)} s to both reviews, including the image download`);
    const [row, ...others] = passed!.rows;
    assert.deepEqual([row?.job, row?.result, others.length], ['unit', 'SUCCESS', 0], passed!.message);
    assert.equal((await gerrit.votes(good.number))['Verified'], 1);
    const log = await page(row!.link!, 'console.log');
    assert.ok(log.includes(good.revision.slice(0, 7)), 'the patchset itself was fetched');
    assert.match(log, /all is well as debian/);
    assert.match(log, /vm: cloud-init finished after/);
    assert.match(await page(row!.link!), /SUCCESS[\s\S]*consoles\/vm\.log/);
    const serial = await page(row!.link!, 'consoles/vm.log');
    assert.match(serial, /cloud-init/);
    assert.doesNotMatch(serial, /Invalid cloud-config/, 'cloud-init accepts the whole configuration');
    assert.match(await page(row!.link!, 'tests/test.log'), /^all is well as debian\n$/);

    assert.equal(failed!.rows[0]?.result, 'FAILURE', failed!.message);
    assert.equal((await gerrit.votes(broken.number))['Verified'], -1);
    const why = await page(failed!.rows[0]!.link!);
    assert.match(why, /nothing works/);
    assert.match(why, /exit 3/);

    assert.deepEqual(inventory(), before_, 'nothing is left behind');
    assert.match(sh('ls /mnt/ci/recheck'), /^ubuntu-24\.04@[0-9a-f]{12}$/, 'except for the image');
    for (const { number } of [good, broken]) assert.equal((await reviewsOf(number)).length, 1);
  });
});
