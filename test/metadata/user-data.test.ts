import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkUserData } from '../../lib/metadata/user-data.ts';
import { SEED } from '../support/seed-user-data.ts';

test('user-data that cloud-init accepts is recognized by its beginning', () => {
  assert.equal(checkUserData(SEED), 'cloud-config');
  assert.equal(checkUserData('#cloud-config'), 'cloud-config');
  assert.equal(checkUserData('#cloud-config\r\nusers: []\r\n'), 'cloud-config');
  assert.equal(checkUserData('#!/bin/sh\necho {not yaml\n'), 'script');
  assert.equal(checkUserData(''), 'none');
  assert.equal(checkUserData(' \n'), 'none');
  assert.equal(checkUserData('Content-Type: multipart/mixed; boundary="x"\n'), 'other');
});

const refused = (text: string, message: RegExp) =>
  assert.throws(() => checkUserData(text), { code: 'metadata/user-data', message });

test('user-data that cloud-init would reject is refused with the line and the reason', () => {
  refused('manage_etc_hosts: true\n', /line 1: it must begin with "#cloud-config"/);
  refused('#cloud-configuration\n', /line 1: it must begin/);
  refused('#cloud-config\nusers:\n  - name: "ann\n', /line \d: it is not YAML/);
  refused('#cloud-config\na: 1\nb: 2\na: 3\n', /line 4: it is not YAML: Map keys must be unique/);
  refused('#cloud-config\n\ta: 1\n', /line 2: it is not YAML/);
  refused('#cloud-config\n- one\n', /line 2: a #cloud-config holds "name: value"/);
  refused(`#!/bin/sh\n${'#'.repeat(70_000)}`, /70010 bytes long/);
});
