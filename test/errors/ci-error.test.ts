import assert from 'node:assert/strict';
import { test } from 'node:test';
import { releaseFailed } from '../../lib/errors/build.ts';
import { postFailed } from '../../lib/errors/build-report.ts';
import { asSentence, type Blame, CiError, factsOf, messageOf, toCiError } from '../../lib/errors/ci-error.ts';
import { imageFailedBefore } from '../../lib/errors/image.ts';
import { isResumable } from '../../lib/errors/image-download.ts';
import { diskFault, diskFull, domainRefused, guestHalted, guestVanished, kvmFault } from '../../lib/errors/libvirt.ts';
import { networkDown } from '../../lib/errors/libvirt-network.ts';
import { logWriteFailed } from '../../lib/errors/logs.ts';
import { connectFromThere, handshakeFailed, keyRefused } from '../../lib/errors/ssh.ts';
import { scriptNotStarted } from '../../lib/errors/ssh-command.ts';
import { spaceRunsOut, storageFault, storageFull } from '../../lib/errors/storage.ts';
import { guestDied, isWorkerFull } from '../../lib/errors/worker.ts';

const place = { label: 'worker a', user: 'root', host: 'a', port: 22 };
/** What a build and its log tell of an error. */
const told = ({ code, blame, result }: CiError): string => `${code} ${blame} ${result}`;
const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });

test('the result of a build follows from the blame unless the error states another', () => {
  const results = (['patch', 'worker', 'guest', 'image', 'config', 'controller'] as Blame[]).map(
    (blame) => new CiError({ code: 'x', blame, message: 'x' }).result,
  );
  assert.deepEqual(results, ['FAILURE', 'NODE_FAILURE', 'NODE_FAILURE', 'NODE_FAILURE', 'ERROR', 'ERROR']);
  assert.equal(new CiError({ code: 'x', blame: 'patch', message: 'x', result: 'TIMED_OUT' }).result, 'TIMED_OUT');
});

test('the message ends with the advice', () => {
  const error = new CiError({ code: 'x', blame: 'config', message: 'It failed.', advice: 'Try another.' });
  assert.equal(error.message, 'It failed. Try another.');
  assert.equal(error.advice, 'Try another.');
  assert.equal(String(error), error.message);
  assert.equal(new CiError({ code: 'x', blame: 'config', message: 'It failed.' }).advice, '');
});

test('a reason inside a message ends with one punctuation mark', () => {
  assert.equal(asSentence('it failed'), 'it failed.');
  assert.equal(asSentence('It failed.'), 'It failed.');
  assert.match(postFailed('vm: Is the guest out of memory?').message, /memory\?$/);
  assert.match(releaseFailed('Guest d', 'Is it up?').message, /: Is it up\?$/);
});

test('anything thrown becomes a CiError, and has no facts before', () => {
  assert.deepEqual(factsOf(new Error('x')), {});
  assert.deepEqual(factsOf(undefined), {});
  assert.equal(messageOf('text'), 'text');
  const own = new CiError({ code: 'x', blame: 'guest', message: 'x', isNotFound: true });
  assert.equal(toCiError(own, 'here'), own);
  assert.equal(factsOf(own).isNotFound, true);
  const internal = toCiError(new Error('boom'), 'here');
  assert.equal(told(internal), 'internal controller ERROR');
  assert.equal(internal.message, 'here: boom');
  assert.equal(told(toCiError(full, 'here')), 'disk-full controller DISK_FULL');
  const overQuota = Object.assign(new Error('disk quota exceeded'), { code: 'EDQUOT' });
  assert.equal(told(toCiError(overQuota, 'here')), 'disk-full controller DISK_FULL');
});

test('a full disk of a worker is told from that of the controller or a guest', () => {
  const ofWorker = [
    storageFull('clone', 'a'),
    spaceRunsOut('i', 'u', 'a'),
    storageFault('clone', full),
    domainRefused('a', 'd', 'No space left on device'),
    diskFull('a', 'd', 'quota'),
  ];
  for (const error of ofWorker) assert.ok(isWorkerFull(error), error.code);
  const others = [
    logWriteFailed('f', full),
    toCiError(full, 'here'),
    scriptNotStarted('vm', undefined, 'no space left'),
  ];
  for (const error of others) {
    assert.equal(error.result, 'DISK_FULL', error.code);
    assert.ok(!isWorkerFull(error), error.code);
  }
});

test('a worker’s fault excludes its host, but not when an image is only left alone because of it', () => {
  for (const error of [networkDown('a', 'n'), diskFault('a', 'd', 'io'), domainRefused('a', 'd', 'x')])
    assert.ok(error.facts.excludesHost, error.code);
  for (const error of [storageFull('x', 'a'), kvmFault('a', 'd', 'x'), guestVanished('a', 'd')])
    assert.ok(!error.facts.excludesHost, error.code);
  const before = imageFailedBefore(networkDown('a', 'n'), 5);
  assert.equal(told(before), 'libvirt/network-down worker NODE_FAILURE');
  assert.ok(!before.facts.excludesHost);
});

test('a guest that ended is told from one that its worker stopped', () => {
  for (const error of [guestVanished('a', 'd'), guestDied('d', 'ended', '')])
    assert.equal(error.facts.guestEnd, 'gone');
  const stopped = [
    guestHalted('a', 'd', 's', ''),
    diskFull('a', 'd', 'x'),
    diskFault('a', 'd', 'x'),
    kvmFault('a', 'd', 'x', true),
    kvmFault('a', 'd', 'x', false),
  ];
  for (const error of stopped) {
    assert.equal(error.facts.guestEnd, 'stopped', error.code);
    assert.ok(error.facts.isLoginFutile, error.code);
  }
  assert.deepEqual(
    stopped.map(({ facts }) => facts.kvm),
    [undefined, undefined, undefined, 'failed', undefined],
  );
});

test('an SSH error states how a login failed, and never spoils a download', () => {
  const refused = connectFromThere('a', 'vm', 22, new Error('Connection refused'));
  assert.equal(refused.facts.loginFailure, 'no-listener');
  assert.equal(connectFromThere('a', 'vm', 22, new Error('timed out')).facts.loginFailure, 'silent');
  assert.ok(handshakeFailed(place, new Error('read ECONNRESET')).facts.isDroppedEarly);
  assert.ok(!handshakeFailed(place, new Error('no matching cipher')).facts.isDroppedEarly);
  assert.ok(isResumable(keyRefused(place, 'key')));
  assert.ok(!isResumable(storageFull('x', 'a')));
});
