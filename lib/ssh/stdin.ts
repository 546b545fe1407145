import { Writable } from 'node:stream';
import type { ClientChannel } from 'ssh2';

/**
 * A command's stdin, whose end says no more than "no more input". Ending ssh2's channel itself would do too much: at
 * the command's own end of output Node then destroys the channel, ssh2 closes it, and a server that sends the exit
 * status last (Gerrit's) finds nobody to tell: now and then a review that was posted looked like a failure.
 */
export function stdinOf(channel: ClientChannel, onInput?: (chunk: Buffer) => void): Writable {
  const stdin = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      onInput?.(chunk);
      channel.write(chunk, done);
    },
    final: (done) => {
      channel.eof();
      done();
    },
  });
  // How a command ended is told by its exit; that it did not read all its input is none of its failures.
  stdin.on('error', () => {});
  return stdin;
}
