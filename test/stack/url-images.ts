import { after, afterEach, before, beforeEach } from 'node:test';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import type { ImageSource, ImageSpec, Storage } from '../../lib/worker/types.ts';
import { type ImageServer, openImageServer } from './image-server.ts';
import { mountFileSystem, type TestFileSystem } from './storage-place.ts';

/** A btrfs for images that are downloaded from a test web server. */
export class UrlImages {
  place!: TestFileSystem;
  storage!: Storage;
  /** The file that `prepare` returned, which the web server offers at the start of each test. */
  content!: Buffer;
  web!: ImageServer;
  #count = 0;

  /**
   * Mounts the file system for all tests of the file, and starts a web server for each test.
   *
   * @param prepare returns the file to publish
   */
  static forFile(prepare: (place: TestFileSystem) => Promise<Buffer>): UrlImages {
    const on = new UrlImages();
    before(async () => {
      on.place = await mountFileSystem('btrfs');
      on.storage = hostStorage({ kind: 'btrfs', place: on.place.place, host: async () => on.place.host });
      on.content = await prepare(on.place);
    });
    after(() => on.place.close());
    beforeEach(async () => {
      on.web = await openImageServer(on.content);
    });
    afterEach(() => on.web.close());
    return on;
  }

  /** Returns a new image on each call, of the web server's file unless `source` says otherwise. */
  image(source: Partial<Extract<ImageSource, { kind: 'url' }>> = {}): ImageSpec {
    this.#count += 1;
    return {
      name: 'base',
      key: `k${this.#count}`,
      source: { kind: 'url', url: this.web.url, ...source },
      loginUser: 'root',
    };
  }
}
