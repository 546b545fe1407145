import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Client, type SFTPWrapper } from 'ssh2';
import { scratch, until } from '../../logs/help.ts';

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** OpenSSH's sshd on loopback, as this user, gone after the test; and an SFTP session with its sftp-server. */
export async function realSftp(t: TestContext): Promise<{ sftp: SFTPWrapper; client: Client; sshd: ChildProcess }> {
  const dir = await scratch(t);
  const key = (name: string) => execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(dir, name)]);
  key('host');
  key('id');
  await copyFile(join(dir, 'id.pub'), join(dir, 'authorized_keys'));
  const port = await freePort();
  const settings = {
    ListenAddress: '127.0.0.1',
    Port: port,
    HostKey: join(dir, 'host'),
    PidFile: 'none',
    AuthorizedKeysFile: join(dir, 'authorized_keys'),
    PasswordAuthentication: 'no',
    UsePAM: 'no',
    StrictModes: 'no',
    Subsystem: 'sftp /usr/lib/openssh/sftp-server',
  };
  await writeFile(
    join(dir, 'config'),
    Object.entries(settings).map(([name, value]) => `${name} ${value}\n`),
  );
  if (userInfo().uid === 0) await mkdir('/run/sshd', { recursive: true });
  const sshd = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(dir, 'config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => sshd.kill());
  let said = '';
  sshd.stderr.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  await until(() => said.includes('Server listening'));
  const client = new Client();
  t.after(() => client.destroy());
  const sftp = await new Promise<SFTPWrapper>((resolve, reject) => {
    client
      .on('ready', () => client.setNoDelay(true).sftp((error, session) => (error ? reject(error) : resolve(session))))
      .on('error', reject)
      .connect({ host: '127.0.0.1', port, username: userInfo().username, privateKey: readFileSync(join(dir, 'id')) });
  });
  return { sftp, client, sshd };
}
