import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { markedCommand } from '../../../lib/ssh/session/command-line.ts';
import { ShellNoise } from '../../../lib/ssh/session/shell-noise.ts';
import { HARD_WORDS } from '../../support/hard-words.ts';

test('the command line is the same for every shell: nothing in it is parsed differently by csh or fish', () => {
  const { line, stdoutMark, stderrMark } = markedCommand(['printf', '%s|', ...HARD_WORDS], true);
  // csh: no newline in quotes, and no "!"; fish: no backslash before a backslash or a quote.
  assert.doesNotMatch(line, /[\n!]|\\[\\']/);
  assert.match(line, /^[\x20-\x7e]+$/);
  // What `set -x` prints is not a mark.
  assert.ok(!line.includes(stdoutMark.trim()) && !line.includes(stderrMark.trim()));
  for (const shell of ['/bin/sh', '/bin/bash']) {
    const { stdout, stderr, status } = spawnSync(shell, ['-c', line], { encoding: 'utf8' });
    assert.equal(stdout, stdoutMark + HARD_WORDS.map((word) => `${word}|`).join(''));
    assert.equal(stderr, stderrMark);
    assert.equal(status, 0);
  }
  assert.throws(() => markedCommand(['a\0b'], true), { code: 'ssh/nul' });
});

test('a PATH that a start-up file broke is completed for our own programs; other programs get the login’s', () => {
  const path = (PATH: string, isOurs = true) =>
    spawnSync('/bin/sh', ['-c', markedCommand(['/bin/sh', '-c', 'echo "$PATH"'], isOurs).line], {
      encoding: 'utf8',
      env: { PATH },
    })
      .stdout.trim()
      .split('\n')
      .at(-1);
  assert.equal(path('/opt/own:/usr/bin:/bin'), '/opt/own:/usr/bin:/bin');
  assert.equal(path('/opt/own', false), '/opt/own');
  assert.equal(path('/opt/own'), '/opt/own:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');
});

const MARKS = { line: '', stdoutMark: 'out:1234\n', stderrMark: 'err:1234\n' };

function streams() {
  const stream = () => new Readable({ read() {} });
  const both = { stdout: stream(), stderr: stream() };
  const faults: string[] = [];
  return { ...both, faults, noise: new ShellNoise(both, MARKS, (how) => faults.push(how)) };
}

test('output before the mark is dropped and remembered, however the stream is split', async () => {
  const bytes = Buffer.from('Welcome\nout:123out:1234\nout:1234\nöutput\n');
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { stdout, noise } = streams();
    stdout.push(bytes.subarray(0, cut));
    stdout.push(bytes.subarray(cut));
    stdout.push(null);
    assert.equal(Buffer.concat(await stdout.toArray()).toString(), 'out:1234\nöutput\n', `cut at ${cut}`);
    assert.equal(noise.said, 'Welcome\nout:123');
    assert.equal(noise.begun, true);
  }
  const { stdout } = streams();
  for (const byte of bytes) stdout.push(Buffer.from([byte]));
  stdout.push(null);
  assert.equal(Buffer.concat(await stdout.toArray()).toString(), 'out:1234\nöutput\n');
});

test('without a mark there is no output, and all text is noise', async () => {
  const { stdout, stderr, noise } = streams();
  stdout.push(Buffer.from('No login today.'));
  stderr.push(Buffer.from('Sorry\n'));
  stdout.push(null);
  stderr.push(null);
  assert.deepEqual(await stdout.toArray(), []);
  assert.equal(noise.begun, false);
  assert.equal(noise.said, 'No login today.\nSorry');
});

test('endless noise is reported once, and its memory is bounded', () => {
  const { stdout, noise, faults } = streams();
  const chunk = Buffer.alloc(64 * 1024, 'y\n');
  for (let i = 0; i < 1_000; i++) stdout.push(chunk);
  assert.deepEqual(faults, ['printed over 4 MiB before it ran']);
  assert.equal(stdout.readableLength, 0);
  assert.ok(noise.said.length <= 2_000);
  noise.ended();
});

test('a command that does not start in time is reported', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { faults, stdout } = streams();
  t.mock.timers.tick(179_000);
  assert.deepEqual(faults, []);
  t.mock.timers.tick(1_000);
  assert.deepEqual(faults, ['had not run, within 180 s,']);
  const begun = streams();
  begun.stdout.push(Buffer.from(MARKS.stdoutMark));
  t.mock.timers.tick(200_000);
  assert.deepEqual(begun.faults, []);
  stdout.push(null);
});

test('noise that repeats the input is not shown, since it may contain secrets', () => {
  const { stdout, noise } = streams();
  noise.input(Buffer.from("export TOKEN='hunter2'\ndone\n"));
  stdout.push(Buffer.from("fish: unsupported: export TOKEN='hunter2'\nTOKEN='hunter2'\nAll done.\n"));
  stdout.push(null);
  assert.equal(noise.said, 'All done.');
});
