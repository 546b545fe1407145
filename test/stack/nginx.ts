import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end } from '../support/child.ts';
import { waitFor } from '../support/wait.ts';
import { stackFolder } from './support.ts';

const SAMPLE = join(import.meta.dirname, '../../scripts/nginx.conf');

/** A real nginx with the sample that the package's documents name. */
export interface Nginx {
  /** The folder that it serves at /logs/. */
  logs: string;
  stop(): Promise<void>;
}

/** Starts nginx with scripts/nginx.conf as it stands, but for the folder of the logs, as Debian's nginx.conf includes it. */
export async function startNginx(): Promise<Nginx> {
  const folder = mkdtempSync(join(stackFolder!, 'nginx-'));
  const logs = join(folder, 'logs');
  mkdirSync(logs);
  const sample = readFileSync(SAMPLE, 'utf8');
  const site = sample.replace('/var/lib/recheck/logs/', `${logs}/`);
  assert.notEqual(site, sample, 'the sample names the folder of the logs');
  writeFileSync(join(folder, 'site.conf'), site);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/temp;`,
  );
  writeFileSync(
    join(folder, 'nginx.conf'),
    `user root;
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log stderr crit;
events {}
http {
  ${temporary.join('\n  ')}
  access_log off;
  include ${folder}/site.conf;
}
`,
  );
  const argv = ['-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
  const child = spawn('nginx', argv, { stdio: ['ignore', 'inherit', 'inherit'] });
  // Rejects where there is no nginx.
  await once(child, 'spawn');
  await waitFor('nginx answers', () => {
    assert.equal(child.exitCode, null, 'nginx runs');
    return fetch('http://127.0.0.1/', { headers: { connection: 'close' } }).then(
      () => true,
      () => false,
    );
  });
  return {
    logs,
    async stop() {
      await end(child, 'SIGTERM');
    },
  };
}
