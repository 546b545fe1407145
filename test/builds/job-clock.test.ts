import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { JobClock } from '../../lib/builds/job-clock.ts';

test('only time after the first script’s start counts, without that of infrastructure steps', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  try {
    let up = 0;
    const clock = new JobClock(1000, () => {
      up += 1;
    });
    mock.timers.tick(5000);
    clock.start();
    mock.timers.tick(600);
    clock.pause();
    mock.timers.tick(60_000);
    clock.resume();
    mock.timers.tick(300);
    clock.start();
    assert.equal(up, 0, 'a second script does not restart the clock');
    mock.timers.tick(200);
    assert.equal(up, 1);
    assert.equal(clock.isExpired, true);
  } finally {
    mock.timers.reset();
  }
});

test('a time limit longer than a timer supports does not expire at once', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  try {
    let up = 0;
    const clock = new JobClock(40 * 86_400_000, () => {
      up += 1;
    });
    clock.start();
    mock.timers.tick(39 * 86_400_000);
    assert.equal(up, 0);
    mock.timers.tick(86_400_001);
    assert.equal(up, 1);
  } finally {
    mock.timers.reset();
  }
});

test('a stopped clock never expires', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  try {
    const clock = new JobClock(10, () => assert.fail('it expired'));
    clock.start();
    clock.stop();
    mock.timers.tick(100);
  } finally {
    mock.timers.reset();
  }
});
