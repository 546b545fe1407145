import { badDomainTemplate, noDisk } from '../errors/libvirt.ts';
import { render } from '../template/render.ts';
import type { GuestSpec } from '../worker/types.ts';
import { tapName } from './mac.ts';
import { OWNER_NAMESPACE, tells } from './owner.ts';
import type { DomainType } from './types.ts';

/**
 * The domain of a guest, in mustache; a user may put another in its place, with the same names:
 *
 * - `name`, `memory` (MiB), `vcpus`, `type` (kvm or qemu), `kvm` (true under KVM)
 * - `disks`: each with `name` (vda), `path`, `format`
 * - `interfaces`: each with `mac`, `tap`, and `network` (a libvirt network) or `bridge`
 * - `console` (file of the serial console), `namespace`, `controller`, `build`, `attempt` (whose it is)
 *
 * DMI says OpenStack, so that stock cloud images look for a metadata server; images set to EC2 read the same one. What a
 * guest writes need not outlive the worker, so its disks' flushes are not waited for. No PXE (a second of each boot).
 * The machine types before Q35 boot faster under emulation. No `<cpu>` under emulation: max or host is 5 s slower.
 */
export const DOMAIN_TEMPLATE = `<domain type='{{type}}'>
  <name>{{name}}</name>
  <metadata>
    <recheck:owner xmlns:recheck='{{namespace}}' controller='{{controller}}' build='{{build}}' attempt='{{attempt}}'/>
  </metadata>
  <memory unit='MiB'>{{memory}}</memory>
  <vcpu>{{vcpus}}</vcpu>
  <sysinfo type='smbios'>
    <system>
      <entry name='manufacturer'>OpenStack Foundation</entry>
      <entry name='product'>OpenStack Nova</entry>
    </system>
  </sysinfo>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <boot dev='hd'/>
    <smbios mode='sysinfo'/>
  </os>
  <features><acpi/></features>
  {{#kvm}}
  <cpu mode='host-passthrough'/>
  {{/kvm}}
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <controller type='usb' model='none'/>
    {{#disks}}
    <disk type='file' device='disk'>
      <driver name='qemu' type='{{format}}' cache='unsafe'/>
      <source file='{{path}}'/>
      <target dev='{{name}}' bus='virtio'/>
    </disk>
    {{/disks}}
    {{#interfaces}}
    <interface type='{{#network}}network{{/network}}{{^network}}bridge{{/network}}'>
      <mac address='{{mac}}'/>
      <source {{#network}}network='{{network}}'{{/network}}{{^network}}bridge='{{bridge}}'{{/network}}/>
      <target dev='{{tap}}'/>
      <model type='virtio'/>
      <rom enabled='no'/>
    </interface>
    {{/interfaces}}
    <serial type='file'>
      <source path='{{console}}'/>
      <target port='0'/>
    </serial>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
</domain>
`;

/** One of a guest's interfaces, as its domain gets it. */
export interface GuestInterface {
  mac: string;
  /** Whether it leads to the build's other guests only. */
  private: boolean;
  network?: string;
  bridge?: string;
}

/** What is known of a guest when its domain is written. */
export interface DomainFacts {
  type: DomainType;
  interfaces: readonly GuestInterface[];
  /** File of its serial console on the worker. */
  console: string;
}

/**
 * Writes a guest's domain.
 *
 * @throws CiError where the template is broken, or leaves out what the guest is found again and removed by
 */
export function domainXml(template: string, spec: GuestSpec, facts: DomainFacts): string {
  if (spec.clone.disks.length === 0) throw noDisk(spec.domain);
  const xml = render('xml', template, {
    type: facts.type,
    kvm: facts.type === 'kvm',
    name: spec.domain,
    memory: spec.memory,
    vcpus: spec.vcpus,
    namespace: OWNER_NAMESPACE,
    controller: spec.owner.controller,
    build: spec.owner.build,
    attempt: spec.owner.attempt,
    disks: spec.clone.disks,
    // Each name is given: mustache looks a missing one up in the view around it.
    interfaces: facts.interfaces.map(({ mac, network, bridge }) => ({
      mac,
      tap: tapName(mac),
      network: network ?? '',
      bridge: bridge ?? '',
    })),
    console: facts.console,
  });
  if (!xml.includes(`<name>${spec.domain}</name>`)) throw badDomainTemplate("the domain's name, <name>{{name}}</name>");
  if (!tells(xml, spec.owner)) throw badDomainTemplate('the <metadata> element that says whose the guest is');
  return xml;
}
