import type { NodeAPI } from 'node-red';
import { DOMAIN_TEMPLATE } from '../../lib/libvirt/domain-template.ts';
import { answer } from '../shared/admin.ts';

/** Serves GET recheck/domain-template, for virsh-boot's form: the template used if its own is empty. */
export function domainAdmin(RED: NodeAPI): void {
  RED.httpAdmin.get(
    '/recheck/domain-template',
    RED.auth.needsPermission('virsh-boot.read'),
    answer(() => ({ ok: true, template: DOMAIN_TEMPLATE })),
  );
}
