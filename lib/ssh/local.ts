import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Duplex, Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { connectFromThere, hostClosed, listenFailed } from '../errors/ssh.ts';
import { commandClosed, commandNotRun, nulInCommand } from '../errors/ssh-command.ts';
import { localSftp } from './local-sftp.ts';
import { collect } from './session/collect.ts';
import { closeOn } from './session/running.ts';
import type { Exit, Host, Running } from './types.ts';

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * Returns this machine as a host. Each command leads a process group of its own; `run` kills the whole group at an abort or
 * its time limit. In `run` the exit code of a missing program is 127, of one without permission 126, as over SSH.
 */
export function localHost(label = 'this machine'): Host {
  const ended = new AbortController();

  const spawned = async (argv: readonly string[], signal?: AbortSignal): Promise<Child> => {
    ended.signal.throwIfAborted();
    signal?.throwIfAborted();
    if (argv.some((word) => word.includes('\0'))) throw nulInCommand();
    const child = spawn(argv[0] ?? '', argv.slice(1), { detached: true, stdio: 'pipe' });
    try {
      await once(child, 'spawn');
    } catch (error) {
      throw commandNotRun(label, argv[0] ?? '', error);
    }
    return child;
  };

  const start: Host['start'] = async (argv, options = {}) => {
    const running = runningOf(await spawned(argv, options.signal), label, ended.signal);
    closeOn(options.signal, running);
    return running;
  };

  return {
    label,
    gone: ended.signal,
    start,
    async run(argv, options = {}) {
      let child: Child;
      try {
        child = await spawned(argv, options.signal);
      } catch (error) {
        const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
        if (cause?.code === 'ENOENT') return { code: 127, stdout: '', stderr: `${argv[0]}: not found\n` };
        if (cause?.code === 'EACCES') return { code: 126, stdout: '', stderr: `${argv[0]}: permission denied\n` };
        throw error;
      }
      const running = runningOf(child, label, ended.signal);
      return collect(running, argv, options, label, () => {
        killGroup(child.pid!);
        running.close();
      });
    },
    sftp: async () => localSftp(),
    async forwardOut(host, port, signal) {
      ended.signal.throwIfAborted();
      const socket = connect({ host, port, allowHalfOpen: true });
      try {
        await once(socket, 'connect', { signal });
      } catch (error) {
        socket.destroy();
        signal?.throwIfAborted();
        throw connectFromThere(label, host, port, error);
      }
      // An error without a listener would end the process; it is followed by `close`.
      return socket.on('error', () => {});
    },
    async forwardIn(address, port, onConnection) {
      ended.signal.throwIfAborted();
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        socket.on('error', () => {});
        onConnection(socket as Duplex, { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 });
      });
      try {
        await once(server.listen(port, address), 'listening');
      } catch (error) {
        throw listenFailed(label, address, port, error);
      }
      const shut = (): void => {
        server.close();
        for (const socket of sockets) socket.destroy();
      };
      ended.signal.addEventListener('abort', shut, { once: true });
      return {
        port: (server.address() as { port: number }).port,
        async close() {
          ended.signal.removeEventListener('abort', shut);
          if (!server.listening) return;
          shut();
          await once(server, 'close');
        },
      };
    },
    close: () => ended.abort(hostClosed(label)),
  };
}

function runningOf(child: Child, label: string, gone: AbortSignal): Running {
  const { promise: exit, resolve, reject } = Promise.withResolvers<Exit>();
  // A caller may only read the streams and ignore the exit.
  exit.catch(() => {});
  child.on('error', reject);
  child.stdin.on('error', () => {});
  const read = finished(child.stdout, { writable: false }).catch(() => {});
  child.once('exit', async (code, signal) => {
    await read;
    resolve(code === null ? { signal: signal!.replace(/^SIG/, '') } : { code });
  });
  const close = (): void => {
    reject(gone.aborted ? gone.reason : commandClosed(label));
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  };
  const running = { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, exit, close };
  closeOn(gone, running);
  return running;
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // It has already ended.
  }
}
