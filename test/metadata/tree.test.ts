import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { metadataAnswer } from '../../lib/metadata/tree.ts';
import type { MetadataDocument } from '../../lib/metadata/types.ts';

const document: MetadataDocument = {
  instanceId: 'unit-7f3a',
  hostname: 'unit-1234',
  authorizedKeys: ['ssh-ed25519 AAAAone controller', 'ssh-rsa AAAAtwo operator'],
  userData: '#cloud-config\nmanage_etc_hosts: true\n',
  vendorData: '#cloud-config\n{}\n',
};
const bare: MetadataDocument = { ...document, authorizedKeys: [], userData: '', vendorData: '' };
const ask = (path: string, of = document, method = 'GET') =>
  metadataAnswer(of, { method, path, address: '192.168.122.7' });
const bodyOf = (path: string) => {
  const answer = ask(path);
  assert.equal(answer.status, 200, path);
  return answer.body;
};

test('cloud-init’s walk through the EC2 tree finds its files', () => {
  for (const version of ['2021-03-23', '2018-09-24', '2016-09-02']) {
    assert.equal(ask(`/${version}/meta-data/instance-id`).status, 404);
  }
  assert.equal(bodyOf('/2009-04-04/meta-data/instance-id'), 'unit-7f3a');
  assert.equal(bodyOf('/2009-04-04/user-data'), document.userData);
  // Requests each name of a listing in turn, as cloud-init does.
  const found: Record<string, string> = {};
  const walk = (path: string) => {
    for (const name of bodyOf(path).split('\n')) {
      if (name.endsWith('/') && name !== 'public-keys/') walk(`${path}${name}`);
      else if (name !== 'public-keys/') found[path.replace('/2009-04-04/meta-data/', '') + name] = bodyOf(path + name);
    }
  };
  walk('/2009-04-04/meta-data/');
  assert.deepEqual(found, {
    'ami-id': 'ami-00000001',
    'ami-launch-index': '0',
    hostname: 'unit-1234',
    'instance-id': 'unit-7f3a',
    'instance-type': 'recheck',
    'local-hostname': 'unit-1234',
    'local-ipv4': '192.168.122.7',
    'placement/availability-zone': 'recheck',
    'public-ipv4': '192.168.122.7',
    'reservation-id': 'r-unit-7f3a',
    'security-groups': 'default',
  });
  assert.equal(bodyOf('/2009-04-04/meta-data/public-keys/'), '0=key-0\n1=key-1');
  assert.equal(bodyOf('/2009-04-04/meta-data/public-keys/1/openssh-key'), 'ssh-rsa AAAAtwo operator\n');
});

test('every version of OpenStack is served, with slashes and queries as clients send them', () => {
  for (const version of ['1.0', '2007-01-19', '2009-04-04', 'latest']) {
    assert.equal(bodyOf(`/${version}/meta-data/hostname`), 'unit-1234');
  }
  assert.ok(bodyOf('/').split('\n').includes('2009-04-04'));
  assert.deepEqual(bodyOf('/latest').split('\n').sort(), ['meta-data/', 'user-data']);
  assert.equal(bodyOf('//latest//meta-data/hostname/?x=1'), 'unit-1234');
});

test('anything missing is 404: tokens, empty user-data, missing keys, JavaScript property names', () => {
  assert.equal(ask('/latest/api/token', document, 'PUT').status, 404);
  assert.equal(ask('/latest/user-data', bare).status, 404);
  assert.equal(ask('/latest/meta-data/public-keys/', bare).status, 404);
  assert.equal(ask('/latest/meta-data/', bare).body.includes('public-keys'), false);
  assert.equal(ask('/openstack/latest/user_data', bare).status, 404);
  for (const path of [
    '/constructor',
    '/latest/meta-data/__proto__',
    '/latest/meta-data/hostname/x',
    '/../etc/passwd',
  ]) {
    assert.equal(ask(path).status, 404, path);
  }
  assert.equal(ask('/latest/meta-data/hostname', document, 'POST').status, 405);
  assert.equal(ask('/latest/meta-data/hostname', document, 'HEAD').status, 200);
});

test('cloud-init’s walk through the OpenStack tree finds its files', () => {
  assert.ok(bodyOf('/openstack').split('\n').includes('2018-08-27'));
  const answer = ask('/openstack/2018-08-27/meta_data.json');
  assert.equal(answer.type, 'application/json');
  const data = JSON.parse(answer.body);
  assert.equal(data.uuid, 'unit-7f3a');
  assert.equal(data.hostname, 'unit-1234');
  assert.deepEqual(data.public_keys, { 'key-0': document.authorizedKeys[0], 'key-1': document.authorizedKeys[1] });
  assert.equal(bodyOf('/openstack/2018-08-27/user_data'), document.userData);
  assert.deepEqual(JSON.parse(bodyOf('/openstack/2018-08-27/vendor_data.json')), { 'cloud-init': document.vendorData });
  assert.deepEqual(JSON.parse(ask('/openstack/latest/vendor_data.json', bare).body), {});
  assert.equal(ask('/openstack/2018-08-27/network_data.json').status, 404);
});

test('NoCloud’s three files exist even if empty', () => {
  assert.deepEqual(parse(bodyOf('/nocloud/meta-data')), {
    'instance-id': 'unit-7f3a',
    'local-hostname': 'unit-1234',
    'public-keys': document.authorizedKeys,
  });
  assert.equal(bodyOf('/nocloud/user-data'), document.userData);
  assert.equal(bodyOf('/nocloud/vendor-data'), document.vendorData);
  assert.deepEqual(ask('/nocloud/user-data', bare), { status: 200, type: 'text/plain; charset=utf-8', body: '' });
});
