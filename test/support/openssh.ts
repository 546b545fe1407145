import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { SshTarget } from '../../lib/ssh/types.ts';
import { end } from './child.ts';
import { waitFor } from './wait.ts';

/** A real OpenSSH server on loopback with its own keys and settings. The user who started it can log in. */
export interface OpenSsh {
  readonly dir: string;
  readonly port: number;
  readonly target: SshTarget;
  /** Authorizes a public-key line. */
  authorize(line: string): void;
  /** Generates a key with ssh-keygen. Returns the private key and the public-key line. */
  keygen(name: string, ...args: string[]): { privateKey: string; publicKey: string };
  /** Stops the server and its connections. */
  stop(): Promise<void>;
  /** Starts the server again on the same port. */
  start(): Promise<void>;
  /** Stops the server and removes its folder. */
  remove(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    setTimeout(() => socket.destroy(), 500);
  });

/** Properties of the account that differ from the machine's. */
export interface OpenSshAccount {
  /** Login shell. */
  shell?: string;
  /** Home folder, with the shell's start-up files. */
  home?: string;
}

/**
 * Writes a copy of /etc/passwd with other properties of this process's account. Returns the command that runs a program
 * with it, in a mount namespace of its own, which needs root.
 */
function withAccount(dir: string, { shell, home }: OpenSshAccount): string[] {
  if (shell === undefined && home === undefined) return [];
  const { username } = userInfo();
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const changed = lines.map((line) => {
    const fields = line.split(':');
    if (fields[0] !== username) return line;
    return [...fields.slice(0, 5), home ?? fields[5], shell ?? fields[6]].join(':');
  });
  const file = join(dir, 'passwd');
  writeFileSync(file, changed.join('\n'));
  const program = 'mount --bind "$1" /etc/passwd && shift && exec "$@"';
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', program, 'sh', file];
}

/** @param settings lines of sshd_config, which replace the usual ones of the same name */
export async function startOpenSsh(settings: string[] = [], account: OpenSshAccount = {}): Promise<OpenSsh> {
  const dir = mkdtempSync(join(tmpdir(), 'openssh-'));
  const port = await freePort();
  const keygen: OpenSsh['keygen'] = (name, ...args) => {
    const file = join(dir, name);
    execFileSync('ssh-keygen', ['-q', '-N', '', '-C', `${name}@test`, '-f', file, ...args]);
    return { privateKey: readFileSync(file, 'utf8'), publicKey: readFileSync(`${file}.pub`, 'utf8').trim() };
  };
  keygen('host_key', '-t', 'ed25519');
  const own = keygen('id', '-t', 'ed25519');
  const authorized = join(dir, 'authorized_keys');
  writeFileSync(authorized, `${own.publicKey}\n`);
  const nameOf = (line: string): string => line.split(' ')[0]!.toLowerCase();
  // Replaced, not put first: for some settings, such as MaxStartups, the last line wins.
  const isUsual = (line: string): boolean => !settings.some((own) => nameOf(own) === nameOf(line));
  writeFileSync(
    join(dir, 'sshd_config'),
    [
      ...settings,
      ...[
        'ListenAddress 127.0.0.1',
        `Port ${port}`,
        `HostKey ${dir}/host_key`,
        'PidFile none',
        `AuthorizedKeysFile ${authorized}`,
        'PermitRootLogin prohibit-password',
        'PasswordAuthentication no',
        'KbdInteractiveAuthentication no',
        'UsePAM no',
        'StrictModes no',
        'AllowTcpForwarding yes',
        'MaxStartups 50:30:100',
        'MaxSessions 50',
        'Subsystem sftp internal-sftp',
        // The start-up files of the machine's own account must not affect the tests.
        ...(account.home === undefined ? [`SetEnv HOME=${dir}`] : []),
      ].filter(isUsual),
      '',
    ].join('\n'),
  );
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const under = withAccount(dir, account);
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const argv = [...under, '/usr/sbin/sshd', '-D', '-f', join(dir, 'sshd_config'), '-E', join(dir, 'log')];
    child = spawn(argv[0]!, argv.slice(1), { stdio: 'ignore' });
    await waitFor('sshd answers', () => answers(port));
  };
  const stop = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    // sshd's children, one per connection, outlive it: they are found by their parent's pid.
    const connections = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
    const ended = end(child, 'SIGTERM');
    for (const pid of connections.split(' ').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It has ended already.
      }
    }
    await ended;
  };
  await start();
  return {
    dir,
    port,
    target: {
      label: 'worker host',
      host: '127.0.0.1',
      port,
      user: userInfo().username,
      privateKey: own.privateKey,
    },
    authorize: (line) => writeFileSync(authorized, `${line}\n`, { flag: 'a' }),
    keygen,
    start,
    stop,
    async remove() {
      await stop();
      rmSync(dir, { recursive: true });
    },
  };
}
