import { after, afterEach, before, beforeEach } from 'node:test';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import type { ImageSource, ImageSpec, Storage } from '../../lib/worker/types.ts';
import { type ImageServer, openImageServer } from './image-server.ts';
import { openPlace, type Place } from './storage-place.ts';

/** Images by URL on a btrfs of their own. */
export class UrlImages {
  place!: Place;
  storage!: Storage;
  /** What the web server has: of each test at its start what `prepare` gave. */
  content!: Buffer;
  web!: ImageServer;
  #count = 0;

  /**
   * Opens them for the tests of the file, and a web server for each test.
   *
   * @param prepare makes the published file
   */
  static forFile(prepare: (place: Place) => Promise<Buffer>): UrlImages {
    const on = new UrlImages();
    before(async () => {
      on.place = await openPlace('btrfs');
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

  /** Another image each time, of the web server's file unless it is set otherwise. */
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
