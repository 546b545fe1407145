import { badDomainTemplate, noDisk } from '../../errors/libvirt-hardware.ts';
import { render } from '../../template/render.ts';
import type { GuestSpec } from '../../worker/types.ts';
import { tapName } from '../network/mac.ts';
import { OWNER_NAMESPACE, tells } from '../owner.ts';
import type { DomainType } from '../types.ts';
import { type GuestHardware, guestHardware } from './guest-hardware.ts';
import { UNKNOWN_HOST } from './host-hardware.ts';

/**
 * The domain of a guest, in mustache. A user may write another, with the same names:
 *
 * - `name`, `memory` (MiB), `vcpus`, `type` (kvm or qemu), `kvm` (true under KVM)
 * - `arch` (x86_64 or aarch64) and `machine` (pc, q35 or virt): the worker's own
 * - `uefi` (true with UEFI), `nvram` (file for its variables), `loader` (with `code` and `vars`, if libvirt cannot choose
 *   the firmware itself)
 * - `cpu`: `mode`, and as far as they apply `check`, `model`, `features` (a list of names)
 * - `translationCache` (MiB; under emulation only)
 * - `disks`: each with `name` (vda), `path`, `format`
 * - `interfaces`: each with `mac`, `tap`, and `network` (a libvirt network) or `bridge`
 * - `console` (file of the serial console), `namespace`, `controller`, `build`, `attempt` (whose it is)
 *
 * DMI says OpenStack, so that stock cloud images look for a metadata server; images set to EC2 read the same one. What a
 * guest writes need not outlive the worker, so its disks' flushes are not waited for. No PXE (a second of each boot). An
 * error of the worker's storage stops the guest: one that was told of it would fail for no fault of the patch.
 * libvirt 8.0 reads `<nvram>` only beside a `<loader>`, and 9.0 allows the latter no attributes if it chooses the firmware.
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
  <os{{#uefi}}{{^loader}} firmware='efi'{{/loader}}{{/uefi}}>
    {{^uefi}}
    <type arch='{{arch}}' machine='pc'>hvm</type>
    {{/uefi}}
    {{#uefi}}
    <type arch='{{arch}}' machine='{{machine}}'>hvm</type>
    {{^loader}}
    <firmware><feature enabled='no' name='secure-boot'/></firmware>
    <loader/>
    <nvram>{{nvram}}</nvram>
    {{/loader}}
    {{#loader}}
    <loader readonly='yes' type='pflash'>{{code}}</loader>
    <nvram template='{{vars}}'>{{nvram}}</nvram>
    {{/loader}}
    {{/uefi}}
    <boot dev='hd'/>
    <smbios mode='sysinfo'/>
  </os>
  <features>
    <acpi/>
    {{#translationCache}}
    <tcg><tb-cache unit='MiB'>{{translationCache}}</tb-cache></tcg>
    {{/translationCache}}
  </features>
  {{#cpu}}
  {{^model}}
  <cpu mode='{{mode}}'/>
  {{/model}}
  {{#model}}
  <cpu mode='{{mode}}' match='exact'{{#check}} check='{{check}}'{{/check}}>
    <model fallback='forbid'>{{model}}</model>
    {{#features}}
    <feature policy='require' name='{{.}}'/>
    {{/features}}
  </cpu>
  {{/model}}
  {{/cpu}}
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <controller type='usb' model='none'/>
    {{#disks}}
    <disk type='file' device='disk'>
      <driver name='qemu' type='{{format}}' cache='unsafe' error_policy='stop' rerror_policy='stop'/>
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
  /** What suits an x86 machine with a current libvirt if it is missing. */
  hardware?: GuestHardware;
}

/** The file of a guest's UEFI variables, in its clone's folder. */
const nvramFile = ({ clone, domain }: GuestSpec): string => `${clone.path}/${domain}_VARS.fd`;

/**
 * Writes a guest's domain.
 *
 * @throws CiError where the template is broken, or leaves out what the guest is found again and removed by
 */
export function domainXml(template: string, spec: GuestSpec, facts: DomainFacts): string {
  if (spec.clone.disks.length === 0) throw noDisk(spec.domain);
  const { loader = false, ...hardware } = facts.hardware ?? guestHardware(spec, facts.type, UNKNOWN_HOST);
  const xml = render('xml', template, {
    type: facts.type,
    kvm: facts.type === 'kvm',
    name: spec.domain,
    memory: spec.memory,
    vcpus: spec.vcpus,
    ...hardware,
    loader,
    nvram: nvramFile(spec),
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
