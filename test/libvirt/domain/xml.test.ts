import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestHardware } from '../../../lib/libvirt/domain/guest-hardware.ts';
import { UNKNOWN_HOST } from '../../../lib/libvirt/domain/host-hardware.ts';
import { domainXml } from '../../../lib/libvirt/domain/xml.ts';
import { DOMAIN_TEMPLATE } from '../../../lib/libvirt/domain-template.ts';
import { checkMac, freshMac, macOfTap, tapName } from '../../../lib/libvirt/network/mac.ts';
import { parseOwner } from '../../../lib/libvirt/owner.ts';
import type { GuestSpec } from '../../../lib/worker/types.ts';

const spec: GuestSpec = {
  name: 'vm',
  domain: 'recheck-b1-1-vm',
  clone: {
    name: 'recheck-b1-1-vm',
    path: '/ci/recheck-b1-1-vm',
    disks: [
      { name: 'vda', path: '/ci/recheck-b1-1-vm/vda.qcow2', format: 'qcow2' },
      { name: 'vdb', path: "/ci/<it's>&/vdb", format: 'raw' },
    ],
  },
  memory: 2048,
  vcpus: 2,
  networks: [],
  owner: { controller: 'c1c1c1c1c1c1', build: `a"<'&b`, attempt: 3 },
};
const interfaces = [
  { mac: '52:54:00:aa:00:07', private: false, network: 'default' },
  { mac: '52:54:00:aa:00:08', private: true, bridge: 'brci0' },
];
const facts = { type: 'qemu' as const, interfaces, console: '/ci/recheck-b1-1-vm/console.log' };

test('a domain has what cloud images and fast boots need, and its owner can be parsed', () => {
  const xml = domainXml(DOMAIN_TEMPLATE, spec, facts);
  for (const part of [
    "<domain type='qemu'>",
    "<memory unit='MiB'>2048</memory>",
    '<vcpu>2</vcpu>',
    "<entry name='product'>OpenStack Nova</entry>",
    "<smbios mode='sysinfo'/>",
    "<driver name='qemu' type='qcow2' cache='unsafe' ",
    "<source file='/ci/&lt;it&apos;s&gt;&amp;/vdb'/>",
    "<target dev='vdb' bus='virtio'/>",
    "<interface type='network'>",
    "<source network='default'/>",
    "<interface type='bridge'>",
    "<source bridge='brci0'/>",
    "<target dev='rk525400aa0007'/>",
    "<rom enabled='no'/>",
    "<source path='/ci/recheck-b1-1-vm/console.log'/>",
    "<memballoon model='none'/>",
    '<on_poweroff>destroy</on_poweroff>',
  ]) {
    assert.ok(xml.includes(part), `${part}\n${xml}`);
  }
  for (const { name } of spec.clone.disks) {
    const [driver] = new RegExp(`<driver [^>]*>\\s*<source [^>]*>\\s*<target dev='${name}'`).exec(xml) ?? [''];
    assert.match(driver, / error_policy='stop' rerror_policy='stop'/, `${name}: the guest stops on errors of its disk`);
  }
  assert.deepEqual(parseOwner(xml), spec.owner);
  assert.match(domainXml(DOMAIN_TEMPLATE, spec, { ...facts, type: 'kvm' }), /<cpu mode='host-passthrough'\/>/);
});

test('an emulated guest has x86-64-v2 and a limited translation cache; one under KVM has the host’s processor', () => {
  const emulated = domainXml(DOMAIN_TEMPLATE, spec, facts);
  for (const part of [
    "<type arch='x86_64' machine='pc'>hvm</type>",
    "<tcg><tb-cache unit='MiB'>128</tb-cache></tcg>",
    "<cpu mode='custom' match='exact' check='none'>",
    "<model fallback='forbid'>qemu64</model>",
    ...['cx16', 'lahf_lm', 'popcnt', 'ssse3', 'sse4.1', 'sse4.2'].map(
      (name) => `<feature policy='require' name='${name}'/>`,
    ),
  ])
    assert.ok(emulated.includes(part), `${part}\n${emulated}`);
  assert.doesNotMatch(emulated, /<loader|<nvram|firmware/);
  const kvm = domainXml(DOMAIN_TEMPLATE, spec, { ...facts, type: 'kvm' });
  assert.match(kvm, /<cpu mode='host-passthrough'\/>/);
  assert.doesNotMatch(kvm, /<tcg>|<model fallback/);
});

test('UEFI firmware is chosen by libvirt without secure boot, or named; its variables are in the clone', () => {
  const uefi = { ...spec, firmware: 'uefi' } as const;
  const nvram = '/ci/recheck-b1-1-vm/recheck-b1-1-vm_VARS.fd';
  const chosen = domainXml(DOMAIN_TEMPLATE, uefi, facts);
  for (const part of [
    "<os firmware='efi'>",
    "machine='q35'",
    "<feature enabled='no' name='secure-boot'/>",
    // Before libvirt 8.1, nvram is only read beside it.
    '<loader/>',
    `<nvram>${nvram}</nvram>`,
  ])
    assert.ok(chosen.includes(part), `${part}\n${chosen}`);
  const loader = { code: '/fw/CODE.fd', vars: '/fw/VARS.fd' };
  const hardware = { ...guestHardware(uefi, 'qemu', UNKNOWN_HOST), loader };
  const named = domainXml(DOMAIN_TEMPLATE, uefi, { ...facts, hardware });
  assert.match(named, /<os>/);
  assert.ok(named.includes("<loader readonly='yes' type='pflash'>/fw/CODE.fd</loader>"), named);
  assert.ok(named.includes(`<nvram template='/fw/VARS.fd'>${nvram}</nvram>`), named);
  assert.doesNotMatch(named, /secure-boot/);
});

test('a template from before hardware could be chosen still works', () => {
  const old = DOMAIN_TEMPLATE.replace(/<os[\s\S]*<\/os>/, "<os><type arch='x86_64' machine='pc'>hvm</type></os>")
    .replace(/<features>[\s\S]*<\/features>/, '<features><acpi/></features>')
    .replace(/ {2}\{\{#cpu\}\}[\s\S]*\{\{\/cpu\}\}/, "{{#kvm}}<cpu mode='host-passthrough'/>{{/kvm}}");
  const xml = domainXml(old, { ...spec, firmware: 'uefi' }, facts);
  assert.match(xml, /<features><acpi\/><\/features>/);
  assert.doesNotMatch(xml, /<cpu|nvram|\{\{/);
});

test('a template that would lose the guest, or allow injection, is refused', () => {
  const refuse = (template: string, code: string) => assert.throws(() => domainXml(template, spec, facts), { code });
  refuse(DOMAIN_TEMPLATE.replace('{{name}}', 'fixed'), 'libvirt/template');
  refuse(DOMAIN_TEMPLATE.replace(/<metadata>[\s\S]*<\/metadata>/, ''), 'libvirt/template');
  for (const tag of ['controller', 'build', 'attempt']) {
    refuse(DOMAIN_TEMPLATE.replace(`{{${tag}}}`, '7'), 'libvirt/template');
  }
  refuse(DOMAIN_TEMPLATE.replace('{{name}}', '{{{name}}}'), 'template/unescaped');
  assert.throws(() => domainXml(DOMAIN_TEMPLATE, { ...spec, clone: { ...spec.clone, disks: [] } }, facts), {
    code: 'libvirt/no-disk',
  });
});

test('a template may contain owner elements of other programs', () => {
  const other = "<metadata>\n    <nova:owner xmlns:nova='urn:x'/>";
  const xml = domainXml(DOMAIN_TEMPLATE.replace('<metadata>', other), spec, facts);
  assert.ok(xml.includes('nova:owner'));
});

test('fresh MACs differ, a port name contains its MAC, and a multicast MAC is refused', () => {
  const macs = new Set(Array.from({ length: 50 }, freshMac));
  assert.ok(macs.size > 45);
  for (const mac of macs) assert.equal(checkMac(mac), mac);
  assert.equal(macOfTap(tapName('52:54:00:aa:00:07')), '52:54:00:aa:00:07');
  assert.equal(macOfTap('vnet3'), undefined);
  assert.ok(tapName('52:54:00:aa:00:07').length <= 15);
  for (const bad of ['', '52:54:00:aa:00', '53:54:00:aa:00:07', '52:54:00:aa:00:0g', '52:54:00:aa:00:07 x']) {
    assert.throws(() => checkMac(bad), { code: 'libvirt/mac' });
  }
});

test('an incomplete owner is ignored', () => {
  const whole = "<owner xmlns='u' controller='c1' build='b1' attempt='2'/>";
  assert.deepEqual(parseOwner(whole), { controller: 'c1', build: 'b1', attempt: 2 });
  assert.equal(parseOwner('<owner controller="c1" build="b1" attempt="x"/>'), undefined);
  assert.equal(parseOwner('<owner controller="c1" attempt="1"/>'), undefined);
  assert.equal(parseOwner('<owner build="b1" attempt="1"/>'), undefined);
  assert.equal(parseOwner(''), undefined);
});
