import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { parse } from 'yaml';
import { buildDocument, hostLabel, keyLines } from '../../lib/metadata/document.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3sGl2u5mDkU0OJ4Ol3 ann@example';
const HOSTILE = `x'; touch /tmp/owned; "$(id)" \`id\`\n- evil: true # {{job}}`;
const settings = {
  hostname: '{{job}}-{{number}}',
  userData: '',
  authorizedKeys: '',
  controllerKey: 'ssh-ed25519 AAAAcontroller recheck',
};
const view = { job: 'Unit Tests', number: 1234, subject: HOSTILE, guest: { name: 'vm' } };

test('a document has the host name, the keys in order without duplicates, and the instance', () => {
  const document = buildDocument(
    {
      ...settings,
      authorizedKeys: `# mine\n\n${KEY}\n`,
      authorizedKeysFile: `${KEY}\r\nfrom="10.*" ssh-rsa AAAAB3Nz b\n`,
    },
    view,
    'unit-7f3a',
  );
  assert.deepEqual(document, {
    instanceId: 'unit-7f3a',
    hostname: 'unit-tests-1234',
    authorizedKeys: ['ssh-ed25519 AAAAcontroller recheck', KEY, 'from="10.*" ssh-rsa AAAAB3Nz b'],
    userData: '',
    vendorData: '',
  });
});

test('a hostile value stays one value in a #cloud-config', () => {
  const userData = '#cloud-config\nruncmd:\n  - [echo, {{subject}}]\nname: {{guest.name}}\n';
  const document = buildDocument({ ...settings, userData }, view, 'i');
  assert.deepEqual(parse(document.userData), { runcmd: [['echo', HOSTILE]], name: 'vm' });
});

test('a hostile value stays one word in a script', () => {
  const document = buildDocument({ ...settings, userData: "#!/bin/sh\nprintf '%s' {{subject}}\n" }, view, 'i');
  assert.equal(execFileSync('/bin/sh', ['-c', document.userData], { encoding: 'utf8' }), HOSTILE);
});

test('user-data is checked again after rendering', () => {
  const userData = '#cloud-config\na: {{subject}}{{subject}}\n';
  assert.throws(() => buildDocument({ ...settings, userData }, view, 'i'), {
    code: 'metadata/user-data',
    message: /line 2/,
  });
  assert.throws(() => buildDocument({ ...settings, userData: '#!/bin/sh\n{{{subject}}}' }, view, 'i'), {
    code: 'template/unescaped',
  });
});

test('a line that is not a key is named', () => {
  assert.throws(() => keyLines(`${KEY}\nhello world`, 'The authorised keys'), {
    code: 'metadata/authorized-key',
    message: /The authorised keys, line 2 is not a public key/,
  });
  assert.throws(() => keyLines('-----BEGIN OPENSSH PRIVATE KEY-----', 'x'), { code: 'metadata/authorized-key' });
});

test('any host name becomes an RFC 1123 label', () => {
  const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
  for (const text of [
    'Unit',
    'a.b_c',
    '--x--',
    '',
    '🙂',
    HOSTILE,
    `${'a'.repeat(62)}-b`,
    `-${'b'.repeat(80)}`,
    '../..',
  ]) {
    assert.match(hostLabel(text), label, text);
  }
  assert.equal(hostLabel('py3.12 / Unit'), 'py3-12-unit');
});
