import { badDomainTemplate, cloneWithoutDisk } from '../../errors/libvirt-hardware.ts';
import { render } from '../../template/render.ts';
import type { GuestSpec } from '../../worker/types.ts';
import { tapName } from '../network/mac.ts';
import { namesOwner, OWNER_NAMESPACE } from '../owner.ts';
import type { DomainType } from '../types.ts';
import { type GuestHardware, guestHardware } from './guest-hardware.ts';
import { UNKNOWN_HOST } from './host-hardware.ts';

/** A network interface of a guest. */
export interface GuestInterface {
  mac: string;
  /** Whether it only connects the guests of one build. */
  private: boolean;
  network?: string;
  bridge?: string;
}

/** What the domain XML needs beside the guest's specification. */
export interface DomainFacts {
  type: DomainType;
  interfaces: readonly GuestInterface[];
  /** Path of its serial console file on the worker. */
  console: string;
  /** Suits an x86 machine with a current libvirt if missing. */
  hardware?: GuestHardware;
}

/** Returns the path of a guest's UEFI variables, in its clone's folder. */
const nvramFile = ({ clone, domain }: GuestSpec): string => `${clone.path}/${domain}_VARS.fd`;

/**
 * Returns a guest's domain XML.
 *
 * @throws CiError if the template is broken, or lacks the name or owner by which the guest is found and removed
 */
export function domainXml(template: string, spec: GuestSpec, facts: DomainFacts): string {
  if (spec.clone.disks.length === 0) throw cloneWithoutDisk(spec.domain);
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
    // Each property is set, since mustache looks a missing one up in the enclosing view.
    interfaces: facts.interfaces.map(({ mac, network, bridge }) => ({
      mac,
      tap: tapName(mac),
      network: network ?? '',
      bridge: bridge ?? '',
    })),
    console: facts.console,
  });
  if (!xml.includes(`<name>${spec.domain}</name>`)) throw badDomainTemplate("the domain's name, <name>{{name}}</name>");
  if (!namesOwner(xml, spec.owner)) throw badDomainTemplate('the <metadata> element that says whose the guest is');
  return xml;
}
