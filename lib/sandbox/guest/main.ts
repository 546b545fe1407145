/**
 * The process of one sandbox guest. Its hypervisor starts it with an IPC channel, sends a GuestConfig and gets a
 * GuestUp. It ends the guest's processes and then itself on SIGTERM and when the channel closes, which happens however
 * the hypervisor dies. Its standard output is its serial console.
 */

import { endGuestProcesses } from '../guest-processes.ts';
import { CLEAN_EXIT_CODE, type GuestConfig } from '../guest-protocol.ts';
import { bootGuest } from './boot.ts';
import { log } from './console.ts';

/** Milliseconds for ending a guest's processes; the hypervisor waits a little longer before it kills this one. */
const END_TIMEOUT_MS = 1_500;

let mark: string | undefined;
let ending = false;

async function end(why: string, code: number): Promise<void> {
  if (ending) return;
  ending = true;
  log(`power off: ${why}`);
  const left = mark === undefined ? [] : await endGuestProcesses(mark, END_TIMEOUT_MS);
  process.exit(left.length === 0 ? code : 1);
}

process.on('SIGTERM', () => void end('stopped', CLEAN_EXIT_CODE));
process.on('disconnect', () => void end('the controller is gone', CLEAN_EXIT_CODE));
process.on('uncaughtException', (error) => {
  log(`internal error of the guest: ${error.stack}`);
  void end('a fault', 1);
});
process.once('message', async (config: GuestConfig) => {
  mark = config.mark;
  try {
    process.send!(await bootGuest(config));
  } catch (error) {
    log(`boot failed: ${(error as Error).message}`);
    await end('boot failed', 1);
  }
});

if (!process.connected) {
  log('A guest is started by the sandbox worker, not manually.');
  process.exitCode = 1;
}
