import { timingSafeEqual } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ParsedKey, type Session } from 'ssh2';
import { cannotListen } from '../../../errors/sandbox.ts';
import type { Site } from '../model/site.ts';
import type { Account } from '../model/types.ts';
import { end, runCommand } from './commands.ts';

/** Milliseconds for a client to log in. */
const LOGIN_TIMEOUT_MS = 60_000;

/** An account that may log in, and its key. */
export interface KeyedAccount {
  account: Account;
  key: ParsedKey;
}

/** Listens on 127.0.0.1 as Gerrit's SSH daemon. @returns its port, and how to close it with all its connections */
export async function listenSsh(
  site: Site,
  options: { port: number; hostKey: string; accounts: readonly KeyedAccount[] },
): Promise<{ port: number; close(): Promise<void> }> {
  const connections = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [options.hostKey], ident: 'GerritCodeReview_sandbox' }, (connection) => {
    connections.add(connection);
    // Without this, each exchange of small packets takes 40 ms. ssh2's types lack the method.
    (connection as Connection & { setNoDelay(on: boolean): void }).setNoDelay(true);
    connection.on('close', () => connections.delete(connection));
    connection.on('error', () => {}); // clients may disconnect at any time; 'close' follows
    serve(site, connection, options.accounts);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: Error) => reject(cannotListen(options.port, error)));
    server.listen(options.port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const connection of connections) connection.end();
      }),
  };
}

function serve(site: Site, connection: Connection, accounts: readonly KeyedAccount[]): void {
  let account: Account | undefined;
  const late = setTimeout(() => connection.end(), LOGIN_TIMEOUT_MS);
  connection.on('ready', () => clearTimeout(late));
  connection.on('close', () => clearTimeout(late));
  connection.on('authentication', (context) => {
    const known = accounts.find((one) => one.account.username === context.username);
    if (known && isKeyOf(context, known.key)) {
      account = known.account;
      context.accept();
    } else context.reject(['publickey']);
  });
  connection.on('session', (accept, reject) => {
    if (account) serveSession(site, account, accept());
    else reject();
  });
}

/** Whether the client offers the key and, if it has signed, has proven that it owns it. */
function isKeyOf(context: AuthContext, key: ParsedKey): boolean {
  if (context.method !== 'publickey') return false;
  const known = key.getPublicSSH();
  const same =
    context.key.algo === key.type &&
    context.key.data.length === known.length &&
    timingSafeEqual(context.key.data, known);
  if (!same) return false;
  return !context.signature || !context.blob || key.verify(context.blob, context.signature, context.hashAlgo) === true;
}

function serveSession(site: Site, account: Account, session: Session): void {
  let protocol: string | undefined;
  session.on('env', (accept, _reject, { key, val }) => {
    if (key === 'GIT_PROTOCOL') protocol = val;
    accept?.();
  });
  session.on('pty', (accept) => accept?.());
  session.on('exec', (accept, _reject, { command }) => void runCommand(site, account, command, accept(), protocol));
  session.on('shell', (accept) => {
    const channel = accept();
    channel.on('error', () => {});
    channel.stderr.write(
      `\r\n  ****    Welcome to the sandbox Gerrit    ****\r\n\r\n  Hi ${account.name}, you have successfully connected over SSH.\r\n\r\n  Unfortunately, interactive shells are disabled.\r\n\r\n`,
    );
    end(channel, 127);
  });
}
