import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end } from '../support/child.ts';
import { waitFor } from '../support/wait.ts';
import { stackFolder } from './support.ts';

const SAMPLE = join(import.meta.dirname, '../../scripts/nginx.conf');

/** A real nginx that uses the package's sample configuration. */
export interface Nginx {
  /** The folder that it serves at /logs/. */
  logs: string;
  stop(): Promise<void>;
}

/** Starts nginx with scripts/nginx.conf, included as Debian's nginx.conf does; only the log folder differs. */
export async function startNginx(): Promise<Nginx> {
  const folder = mkdtempSync(join(stackFolder!, 'nginx-'));
  const logs = join(folder, 'logs');
  mkdirSync(logs);
  const sample = readFileSync(SAMPLE, 'utf8');
  const site = sample.replace('/var/lib/recheck/logs/', `${logs}/`);
  assert.notEqual(site, sample, 'the sample names the log folder');
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
  // Rejects if nginx is not installed.
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
