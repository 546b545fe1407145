import { EventEmitter } from 'node:events';
import { posix } from 'node:path';
import type { SFTPWrapper } from 'ssh2';

/** A guest's file system: contents, `{to}` a link, folders by their files' paths. */
export type Tree = Record<string, Buffer | string | { to: string } | { pipe: true }>;

type Done = (error?: Error & { code?: number }, value?: unknown) => void;

const status = (code: number): Error => Object.assign(new Error(`status ${code}`), { code });
const NO_SUCH_FILE = 2;

/**
 * The requests that fetching uses, answered from a tree in memory, each on a later turn; `hooks` may change an answer.
 */
export class FakeSftp extends EventEmitter {
  readonly #tree: Tree;
  readonly #handles: { path: string; listed?: boolean }[] = [];
  /** Bytes per read. */
  most = 32 << 10;
  /** Stops answering requests. */
  silent = false;
  open_ = 0;
  ended = false;
  mostOpen = 0;

  constructor(tree: Tree) {
    super();
    this.#tree = tree;
  }

  end(): void {
    this.ended = true;
  }

  get wrapper(): SFTPWrapper {
    return this as unknown as SFTPWrapper;
  }

  #answer(done: Done, work: () => unknown): void {
    if (this.silent) return;
    setImmediate(() => {
      try {
        done(undefined, work());
      } catch (error) {
        done(error as Error);
      }
    });
  }

  #real(path: string, hops = 0): string {
    const plain = posix.normalize(posix.isAbsolute(path) ? path : `/home/ci/${path}`).replace(/(?<=.)\/$/, '');
    const node = this.#tree[plain];
    if (hops > 9) throw status(4);
    return typeof node === 'object' && 'to' in node
      ? this.#real(posix.resolve(posix.dirname(plain), node.to), hops + 1)
      : plain;
  }

  #attrs(path: string) {
    const node = this.#tree[path];
    const folder =
      node === undefined && Object.keys(this.#tree).some((name) => name.startsWith(`${path === '/' ? '' : path}/`));
    if (node === undefined && !folder) throw status(NO_SUCH_FILE);
    const file = typeof node === 'string' || Buffer.isBuffer(node);
    return {
      size: file ? Buffer.byteLength(node) : 0,
      isFile: () => file,
      isDirectory: () => folder,
      isSymbolicLink: () => node !== undefined && !file && 'to' in node,
    };
  }

  stat = (path: string, done: Done) => this.#answer(done, () => this.#attrs(this.#real(path)));
  realpath = (path: string, done: Done) => this.#answer(done, () => this.#real(path));

  open = (path: string, _mode: string, done: Done) =>
    this.#answer(done, () => {
      if (!this.#attrs(this.#real(path)).isFile()) throw status(4);
      this.mostOpen = Math.max(this.mostOpen, ++this.open_);
      return Buffer.from([this.#handles.push({ path: this.#real(path) }) >> 8, this.#handles.length & 255]);
    });

  opendir = (path: string, done: Done) =>
    this.#answer(done, () => {
      if (!this.#attrs(path).isDirectory()) throw status(4);
      return Buffer.from([this.#handles.push({ path }) >> 8, this.#handles.length & 255]);
    });

  readdir = (handle: Buffer, done: Done) =>
    this.#answer(done, () => {
      const folder = this.#handles[handle.readUInt16BE() - 1]!;
      if (folder.listed) throw status(1);
      folder.listed = true;
      const start = folder.path === '/' ? '/' : `${folder.path}/`;
      const names = new Set(['.', '..']);
      for (const path of Object.keys(this.#tree))
        if (path.startsWith(start)) names.add(path.slice(start.length).split('/')[0]!);
      return [...names].map((filename) => ({
        filename,
        longname: '',
        attrs: this.#attrs(posix.join(start, filename)),
      }));
    });

  read = (handle: Buffer, buffer: Buffer, offset: number, length: number, position: number, done: Done) =>
    this.#answer(done, () => {
      const content = Buffer.from(this.#tree[this.#handles[handle.readUInt16BE() - 1]!.path] as string);
      return content.copy(buffer, offset, position, Math.min(position + Math.min(length, this.most), content.length));
    });

  close = (_handle: Buffer, done: Done) =>
    this.#answer(done, () => {
      this.open_--;
    });
}
