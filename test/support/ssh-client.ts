import { Client, type ClientChannel, type ConnectConfig, type ExecOptions } from 'ssh2';
import { waitForEvent, waitForPromise } from './wait.ts';

/** Time limit for a command of a test. */
const COMMAND_TIMEOUT_MS = 30_000;

/**
 * A session of ssh2's own client, and its end. ssh2 emits the end once, perhaps in the same turn in which it opens the
 * channel: a listener added after an `await` may wait for ever. So tests open sessions only this way.
 */
export interface Session {
  channel: ClientChannel;
  /** Arguments of the event `exit`: the code; or null, the signal's name and more. Undefined if it closed without one. */
  exited: Promise<unknown[] | undefined>;
  closed: Promise<void>;
}

/** Opens a session. `open` passes its callback to a method of the client. */
export const session = (
  open: (done: (error: Error | undefined, channel: ClientChannel) => void) => void,
): Promise<Session> =>
  new Promise((resolve, reject) =>
    open((error, channel) => {
      if (error) {
        reject(error);
        return;
      }
      const exited = Promise.withResolvers<unknown[] | undefined>();
      const closed = Promise.withResolvers<void>();
      channel.once('exit', (...how: unknown[]) => exited.resolve(how));
      channel.once('close', () => {
        exited.resolve(undefined);
        closed.resolve();
      });
      channel.on('error', () => {});
      resolve({ channel, exited: exited.promise, closed: closed.promise });
    }),
  );

export const exec = (client: Client, command: string, options: ExecOptions = {}): Promise<Session> =>
  session((done) => client.exec(command, options, done));

/** Opens a shell without a terminal. */
export const shell = (client: Client): Promise<Session> => session((done) => client.shell(false, done));

export const subsystem = (client: Client, name: string): Promise<Session> =>
  session((done) => client.subsys(name, done));

/** Reads a session to its end. */
export async function outcome(
  { channel, exited, closed }: Session,
  limit = COMMAND_TIMEOUT_MS,
): Promise<{ exit: unknown[]; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  channel.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  channel.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  await waitForPromise('the session is closed', closed, limit);
  return { exit: (await exited) ?? [], stdout, stderr };
}

/** Logs in with ssh2 itself. */
export async function logIn(config: ConnectConfig, limit = COMMAND_TIMEOUT_MS): Promise<Client> {
  const client = new Client();
  client.connect(config);
  try {
    await waitForEvent('the login is done', client, 'ready', limit);
  } catch (error) {
    client.on('error', () => {}).destroy();
    throw error;
  }
  // Each step is a small packet that the other side waits for. A late error would end the process.
  return client.on('error', () => {}).setNoDelay(true);
}
