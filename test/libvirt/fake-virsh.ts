import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Virsh } from '../../lib/libvirt/virsh.ts';
import { localHost } from '../../lib/ssh/local.ts';

/**
 * This machine with a script in place of virsh. `$S` in it is a folder for its state.
 *
 * @param programs scripts for other programs, by name
 */
export function withVirsh(
  t: TestContext,
  script: string,
  programs: Record<string, string> = {},
): { virsh: Virsh; at: (name: string) => string } {
  const folder = mkdtempSync(join(tmpdir(), 'virsh-'));
  const path = process.env['PATH'];
  t.after(() => {
    process.env['PATH'] = path;
    rmSync(folder, { recursive: true });
  });
  // The name and options come first: virsh -q -c URI COMMAND …
  for (const [name, text] of Object.entries({ ...programs, virsh: `shift 3\n${script}` })) {
    writeFileSync(join(folder, name), `#!/bin/sh\nS=${folder}\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  process.env['PATH'] = `${folder}:${path}`;
  const host = localHost();
  t.after(() => host.close());
  return { virsh: new Virsh('worker a', 'qemu:///system', async () => host), at: (name) => join(folder, name) };
}
