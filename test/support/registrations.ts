/** How the node types are registered: what their editor.html contains, with a stand-in for the editor's bundle. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';

export interface Registration {
  category: string;
  defaults: Record<string, { value: unknown; type?: string; validate?: string }>;
  credentials?: Record<string, { type: string; validate?: string }>;
}

const root = join(import.meta.dirname, '..', '..', 'nodes');

/** Returns the registrations by type; `validate` is the name of the validator that a property asks the bundle for. */
export function registrations(): Map<string, Registration> {
  const found = new Map<string, Registration>();
  for (const folder of readdirSync(root)) {
    const file = join(root, folder, 'editor.html');
    if (!existsSync(file)) continue;
    const script = /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
    const validate = new Proxy({}, { get: (_, name) => name });
    runInNewContext(script, {
      Recheck: new Proxy({}, { get: () => ({ validate }) }),
      RED: { nodes: { registerType: (type: string, definition: Registration) => found.set(type, definition) } },
    });
  }
  return found;
}
