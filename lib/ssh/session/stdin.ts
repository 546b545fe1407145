import { Writable } from 'node:stream';
import type { ClientChannel } from 'ssh2';

/**
 * Returns a command's stdin; ending it only sends EOF. Ending ssh2's channel itself would do too much: at the end of the
 * command's output Node then destroys the channel, ssh2 closes it, and the exit status that some servers send last (Gerrit)
 * is lost: a review that was posted would sometimes look like a failure.
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
  // A command need not read all of its input; its exit tells whether it failed.
  stdin.on('error', () => {});
  return stdin;
}
