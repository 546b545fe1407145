import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopbackAddress, isLoopbackHost, isLoopbackUrl } from '../../lib/util/loopback.ts';

test('loopback addresses are all of 127/8 and ::1, also mapped into IPv6', () => {
  for (const address of ['127.0.0.1', '127.71.3.9', '::1', '::ffff:127.0.0.1']) assert.ok(isLoopbackAddress(address));
  for (const address of ['128.0.0.1', '10.127.0.1', '::2', '127.0.0.1.example.org', 'localhost', ''])
    assert.ok(!isLoopbackAddress(address), address);
});

test('a host is this machine by name or by address', () => {
  for (const host of ['localhost', ' LocalHost ', '127.0.0.2', '[::1]', '::1']) assert.ok(isLoopbackHost(host), host);
  for (const host of ['localhost.example.org', 'gerrit', '192.0.2.1', '']) assert.ok(!isLoopbackHost(host), host);
});

test('a URL leads to this machine by its host alone', () => {
  assert.ok(isLoopbackUrl('http://[::1]:1880/logs') && isLoopbackUrl('https://localhost'));
  for (const url of ['https://ci.example.org/?at=localhost', 'localhost', '']) assert.ok(!isLoopbackUrl(url), url);
});
