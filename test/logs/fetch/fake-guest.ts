import { PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Host, Running } from '../../../lib/ssh/types.ts';
import { FakeSftp, type Tree } from './fake-sftp.ts';
import { archive } from './tar-archive.ts';

/** Returns the pieces that a guest's tar sends for the names it gets. */
export type Answer = (names: string[]) => Iterable<Buffer> | AsyncIterable<Buffer>;

/** A correct tar: sends all regular files and does not follow links. */
export const goodTar =
  (tree: Tree): Answer =>
  (names) => [
    archive(
      ...names.flatMap((name) => {
        const node = tree[name];
        const regular = typeof node === 'string' || Buffer.isBuffer(node);
        return regular ? [{ name: name.slice(1), content: node }] : [];
      }),
    ),
  ];

/** Returns a guest with SFTP for a tree in memory, and the given tar if there is one. */
export class FakeGuest implements Pick<Host, 'sftp' | 'start'> {
  readonly files: FakeSftp;
  /** The names requested from each tar. */
  readonly asked: string[] = [];
  closed = 0;
  readonly #answer: Answer | undefined;

  constructor(tree: Tree, answer?: Answer) {
    this.files = new FakeSftp(tree);
    this.#answer = answer;
  }

  sftp = async () => this.files.wrapper;

  start = async (): Promise<Running> => {
    const stdout = new PassThrough();
    const { promise: exit, resolve, reject } = Promise.withResolvers<{ code: number }>();
    exit.catch(() => {});
    let text = '';
    const send = (answer: Answer): void => {
      this.asked.push(...text.split('\0').slice(0, -1));
      pipeline(Readable.from(answer(this.asked)), stdout).then(
        () => resolve({ code: 0 }),
        () => {},
      );
    };
    const stdin = new Writable({
      write: (chunk, _encoding, done) => {
        text += chunk;
        done();
      },
      final: (done) => {
        done();
        if (this.#answer !== undefined) send(this.#answer);
      },
    });
    if (this.#answer === undefined) {
      stdout.end();
      resolve({ code: 127 });
    }
    const close = (): void => {
      this.closed++;
      reject(new Error('closed'));
      stdout.destroy();
    };
    return { stdin, stdout, stderr: new PassThrough(), exit, close };
  };
}
