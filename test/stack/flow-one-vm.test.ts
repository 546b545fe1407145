import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { parseTable } from '../gerrit/results-table.ts';
import { RealGerrit } from '../real/gerrit/fixture.ts';
import { connected, Flow } from '../support/flows.ts';
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts';
import { startRed, type TestRed } from '../support/red.ts';
import { until } from '../support/until.ts';
import { newPlace, sshHost } from './flow.ts';
import { type Listener, openDoor, ROOM, serveFile } from './servers.ts';
import { guestDisk, inSandbox, inventory } from './support.ts';

/** Milliseconds from a push to its review: a Debian guest boots in some 20 s where nobody else wants the processors. */
const REVIEW_TIME = 500_000;

/** A project whose test is a script of the patchset itself. */
const files = (test: string) => ({ 'test/run.sh': `#!/bin/sh\n${test}\n` });

inSandbox(import.meta.url, { limit: 600_000, disks: ['debian'], gerrit: true }, () => {
  const flow = Flow.shipped('4 one VM on libvirt');
  let gerrit: RealGerrit;
  let sshd: OpenSsh;
  let web: Listener;
  let door: Listener;
  let red: TestRed;

  before(async () => {
    const disk = guestDisk('debian');
    [gerrit, sshd, web, red] = await Promise.all([RealGerrit.start(), startOpenSsh(), serveFile(disk), startRed()]);
    door = await openDoor(Number(new URL(gerrit.site.httpUrl).port));
    // What its comment tells to set first, and no more.
    flow.useGerrit(gerrit.target, gerrit.project);
    flow.nodes.push(sshHost(sshd, { id: 'worker-ssh' }));
    flow.set('worker-host', { host: 'worker-ssh', path: newPlace(), domainType: 'qemu', load: '1000' });
    flow.set('vm-image', {
      url: `http://127.0.0.1:${web.port}/debian.qcow2`,
      sha256: createHash('sha256').update(readFileSync(disk)).digest('hex'),
      loginUser: 'debian',
    });
    // This machine may have other work to do.
    flow.set('virsh-boot', { timeout: '480' });
    const [job] = flow.node('ci-jobs')['jobs'] as { env: object[] }[];
    job!.env = [{ name: 'GIT_URL', value: `http://${ROOM}:${door.port}/${gerrit.project}` }];
    await red.deploy(flow.nodes);
    await connected(red, flow);
  });
  after(async () => {
    await red?.close();
    await Promise.all([door, web].map((one) => one?.close()));
    await sshd?.remove();
    await gerrit?.close();
  });

  const reviewsOf = async (change: number) =>
    (await gerrit.messages(change)).filter(({ author }) => author === gerrit.ciUser);
  const reviewOf = async (change: number) => {
    await until(`a review of ${change}`, async () => (await reviewsOf(change)).length > 0, REVIEW_TIME);
    const [review, ...more] = await reviewsOf(change);
    assert.deepEqual(more, [], 'one comment');
    return { ...parseTable(review!.message), message: review!.message };
  };
  const page = async (link: string, file = '') => (await fetch(new URL(file, link))).text();

  test('a patchset is fetched and tested in a guest that a real cloud-init set up: Verified +1; a broken one: -1', async (t) => {
    const before_ = inventory();
    const began = performance.now();
    const good = await gerrit.pushChange({ subject: 'Good', files: files('echo "all is well as $(id -un)"') });
    const broken = await gerrit.pushChange({ subject: 'Broken', files: files('echo nothing works >&2\nexit 3') });

    const [passed, failed] = await Promise.all([good, broken].map(({ number }) => reviewOf(number)));
    t.diagnostic(`${Math.round((performance.now() - began) / 1000)} s from the pushes to both reviews`);
    const [row, ...others] = passed!.rows;
    assert.deepEqual([row?.job, row?.result, others.length], ['unit', 'SUCCESS', 0], passed!.message);
    assert.equal((await gerrit.votes(good.number))['Verified'], 1);
    const log = await page(row!.link!, 'console.log');
    assert.ok(log.includes(good.revision.slice(0, 7)), 'the patchset itself was fetched');
    assert.match(log, /all is well as debian/);
    assert.match(await page(row!.link!), /SUCCESS[\s\S]*consoles\/vm\.log/);
    const serial = await page(row!.link!, 'consoles/vm.log');
    assert.match(serial, /cloud-init/);
    assert.doesNotMatch(serial, /Invalid cloud-config/, 'cloud-init takes all of what it is told');
    assert.match(await page(row!.link!, 'tests/test.log'), /^all is well as debian\n$/);

    assert.equal(failed!.rows[0]?.result, 'FAILURE', failed!.message);
    assert.equal((await gerrit.votes(broken.number))['Verified'], -1);
    const why = await page(failed!.rows[0]!.link!);
    assert.match(why, /nothing works/);
    assert.match(why, /exit 3/);

    const left = inventory();
    const image = left['subvolumes']!.filter((path) => !before_['subvolumes']!.includes(path));
    assert.equal(image.length, 1, 'the image stays');
    assert.match(image[0]!, /\/ubuntu-24\.04@[0-9a-f]{12}$/);
    assert.deepEqual({ ...left, subvolumes: before_['subvolumes'] }, before_, 'nothing else is left behind');
    for (const { number } of [good, broken]) assert.equal((await reviewsOf(number)).length, 1);
  });
});
