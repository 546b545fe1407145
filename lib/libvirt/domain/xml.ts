import { badDomainTemplate, noDisk } from '../../errors/libvirt.ts';
import { render } from '../../template/render.ts';
import type { GuestSpec } from '../../worker/types.ts';
import { tapName } from '../network/mac.ts';
import { OWNER_NAMESPACE, tells } from '../owner.ts';
import type { DomainType } from '../types.ts';
import { type GuestHardware, guestHardware } from './guest-hardware.ts';
import { UNKNOWN_HOST } from './host-hardware.ts';

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
