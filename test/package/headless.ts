/** Runs a Node-RED in a process of its own, and sends it the requests of an editor. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end } from '../support/child.ts';
import { freePort } from '../support/free-port.ts';
import { waitFor } from '../support/wait.ts';

export interface Headless {
  url: string;
  /** Returns its output so far. */
  said(): string;
  get(path: string, accept?: string): Promise<Response>;
  json<T>(path: string): Promise<T>;
  close(): Promise<void>;
}

/** Starts the Node-RED of a folder with a user directory. */
export async function startHeadless(home: string, userDir: string): Promise<Headless> {
  const port = await freePort();
  const settings = join(userDir, 'settings.js');
  writeFileSync(
    settings,
    `module.exports = ${JSON.stringify({
      uiHost: '127.0.0.1',
      uiPort: port,
      flowFile: 'flows.json',
      credentialSecret: 'test',
      telemetry: { enabled: false, updateNotification: false },
      editorTheme: { tours: false },
      logging: { console: { level: 'info' } },
    })};\n`,
  );
  const child = spawn(process.execPath, [join(home, 'red.js'), '-u', userDir, '-s', settings], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_RED_HOME: home },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk));
  const url = `http://127.0.0.1:${port}`;
  const get = (path: string, accept = 'application/json') => fetch(`${url}${path}`, { headers: { accept } });
  const close = async (): Promise<void> => {
    await end(child, 'SIGTERM', 30_000);
  };
  try {
    await waitFor(
      `Node-RED in ${home} answers`,
      async () => {
        if (child.exitCode !== null) throw new Error(`Node-RED exited:\n${said}`);
        return said.includes('Started flows') && (await get('/settings').catch(() => undefined))?.ok;
      },
      60_000,
    );
  } catch (error) {
    await close();
    throw new Error(`${(error as Error).message}\n${said}`);
  }
  return {
    url,
    said: () => said,
    get,
    json: async (path) => (await get(path)).json() as Promise<never>,
    close,
  };
}
