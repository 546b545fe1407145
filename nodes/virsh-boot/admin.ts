import type { NodeAPI } from 'node-red';
import { DOMAIN_TEMPLATE } from '../../lib/libvirt/domain-template.ts';
import { answer } from '../shared/admin.ts';

/** GET recheck/domain-template, for virsh-boot's form: the template that an empty one stands for. */
export function domainAdmin(RED: NodeAPI): void {
  RED.httpAdmin.get(
    '/recheck/domain-template',
    RED.auth.needsPermission('virsh-boot.read'),
    answer(() => ({ ok: true, template: DOMAIN_TEMPLATE })),
  );
}
