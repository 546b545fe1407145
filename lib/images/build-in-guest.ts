import type { Services } from '../builds/services.ts';
import { PRIVATE_FIRST } from '../errors/build-guest.ts';
import { factsOf, messageOf } from '../errors/ci-error.ts';
import { imageLost, imageNotBooted, imageScriptFailed, imageTimeUp } from '../errors/image.ts';
import { isWorkerFull } from '../errors/worker.ts';
import { logInToGuest } from '../guests/login.ts';
import { type GuestMetadata, publishMetadata } from '../guests/metadata.ts';
import { consoleEnd, whyNotUp } from '../guests/not-up.ts';
import { CLOUD_INIT_MINUTES, whenReady } from '../guests/ready.ts';
import { watchGuest } from '../guests/watch.ts';
import type { ConsoleWriter } from '../logs/console.ts';
import { buildDocument } from '../metadata/document.ts';
import { imageFolder } from '../sandbox/worker/storage.ts';
import { runScript } from '../ssh/script.ts';
import type { Host } from '../ssh/types.ts';
import { abortable } from '../util/abort.ts';
import { clip } from '../util/plain-text.ts';
import { pickHardware } from '../worker/hardware.ts';
import { isFirstPrivate } from '../worker/private-first.ts';
import type { Clone, ImageScript, ImageSource, ImageSpec, Owner, Worker } from '../worker/types.ts';
import { SEAL } from './seal-program.ts';

/** Milliseconds that ending one thing may take. */
const END_LIMIT = 60_000;

/** Owner of the guest that an image is built in. */
export const imageOwner = (controller: string, image: ImageSpec): Owner => ({
  controller,
  build: `image-${imageFolder(image)}`,
  attempt: 0,
});

/** What the making of an image takes of the controller's services. */
export type ImageServices = Pick<Services, 'metadata' | 'links' | 'key' | 'controller' | 'cleanupQueue'>;

/** One thing to be undone. */
interface Undo {
  what: string;
  work(limit: { signal: AbortSignal }): Promise<unknown>;
}

export interface GuestMaking {
  signal: AbortSignal;
  console: ConsoleWriter;
  /** Told what happens now. */
  onProgress(text: string): void;
}

/**
 * Makes an image from its parent, which must be there: clones the parent, boots the clone, runs the scripts in it, shuts
 * it down cleanly and keeps it. Whatever happens, no guest and no half-made image is left; what cannot be removed now is
 * tried again behind it.
 *
 * @throws CiError that says what failed; the signal's reason where it aborts
 */
export async function makeInGuest(
  worker: Worker,
  image: ImageSpec,
  source: Extract<ImageSource, { kind: 'parent' }>,
  services: ImageServices,
  making: GuestMaking,
): Promise<void> {
  const { making: settings } = source;
  const { storage, hypervisor } = worker;
  const { controller } = services;
  // Another Recheck on that worker may make the same image, in a storage path of its own.
  const domain = `recheck-image-${controller}-${image.name}-${image.key}`;
  const leftover = `image ${worker.id} ${imageFolder(image)}`;
  const late = AbortSignal.timeout(settings.timeout);
  const signal = AbortSignal.any([making.signal, late]);
  let at = '';
  const say = (text: string): void => {
    at = text;
    making.console.line(`=== ${text}`);
    making.onProgress(text);
  };
  const onOutput = (chunk: Buffer) => making.console.write(chunk);
  /** Undone in the reverse order. */
  const undo: Undo[] = [];
  /** Whether a draft was begun: it may be there even where the answer was not waited for. */
  let drafted = false;
  let kept = false;
  let failure: { error: unknown } | undefined;
  try {
    say('cloning');
    // One of a controller that crashed, or an earlier making, would run on a disk that is gone.
    await hypervisor.stop(domain, { signal });
    // From here on it is this making that removes them.
    await abortable(services.cleanupQueue.drop(leftover), signal);
    drafted = true;
    const draft = await storage.draft(image, { signal });
    const published = publishMetadata(services.metadata, worker, image, domain, document());
    undo.push({ what: 'its metadata', work: async () => published.drop() });
    const { link, release } = await services.links.acquire(worker, signal);
    undo.push({ what: 'the way to its metadata', work: release });
    undo.push({ what: 'its guest', work: (limit) => hypervisor.stop(domain, limit) });
    const host = await boot(draft, published, link.url);
    const watch = watchGuest(hypervisor, domain);
    try {
      for (const [i, script] of source.scripts.entries()) {
        say(source.scripts.length > 1 ? `${script.name} (${i + 1} of ${source.scripts.length})` : script.name);
        await run(host, script, watch.signal);
      }
      say('shutting down');
      await seal(host, watch.signal);
    } finally {
      watch.stop();
      host.close();
    }
    await hypervisor.shutdown(domain, { signal });
    await hypervisor.stop(domain, { signal });
    say('keeping');
    await storage.adopt(image, { signal });
    kept = true;
  } catch (error) {
    failure = { error };
    await keepConsole();
  }
  if (drafted && !kept) undo.unshift({ what: 'its half-made disk', work: (limit) => storage.discard(image, limit) });
  let left = await undoEach(undo.reverse(), (what, error) => {
    making.console.line(`${what} could not be removed now: ${messageOf(error)}`);
  });
  if (left.length > 0) {
    services.cleanupQueue.keep(leftover, async () => {
      left = await undoEach(left);
      return left.length === 0;
    });
  }
  if (!failure) return;
  const fault = faultOf(failure.error, left.length > 0);
  making.console.line(messageOf(fault));
  throw fault;

  function document() {
    const { userData, authorizedKeys } = settings;
    const controllerKey = services.key.publicKey;
    const view = { image: image.name, guest: image.name, env: {}, build: imageFolder(image) };
    return buildDocument({ hostname: image.name, userData, authorizedKeys, controllerKey }, view, domain);
  }

  async function boot(clone: Clone, published: GuestMetadata, metadataUrl: string | undefined): Promise<Host> {
    say('booting');
    const privateFirst = isFirstPrivate(settings.networks);
    if (privateFirst) making.console.line(PRIVATE_FIRST);
    let trouble: string | undefined;
    let isIn = false;
    const watch = watchGuest(hypervisor, domain);
    const within = AbortSignal.any([signal, watch.signal]);
    const logIn = async (during: AbortSignal): Promise<Host> => {
      const { host } = await logInToGuest(worker, domain, {
        signal: during,
        metadata: published,
        user: image.loginUser,
        privateKey: services.key.privateKey,
        onAddress({ host: address }) {
          if (trouble === undefined) say(`waiting for SSH at ${address}`);
          trouble ??= 'no answer';
        },
        onTrouble(why) {
          trouble = why;
        },
      });
      return host;
    };
    try {
      await hypervisor.boot(
        {
          name: 'image',
          domain,
          clone,
          memory: settings.memory,
          vcpus: settings.vcpus,
          networks: settings.networks,
          ...pickHardware(image),
          owner: imageOwner(controller, image),
          ...(metadataUrl === undefined ? {} : { metadataUrl }),
        },
        { signal: within },
      );
      const host = await logIn(within);
      isIn = true;
      return await settle(host, within, logIn);
    } catch (error) {
      const cause = watch.signal.aborted ? watch.signal.reason : error;
      if (isIn || making.signal.aborted) throw cause;
      const { why, last } = await whyNotUp(cause, {
        hypervisor,
        domain,
        timeUp: late.aborted ? settings.timeout : undefined,
        trouble,
        firmware: image.firmware,
        privateFirst,
      });
      throw imageNotBooted(image.name, worker.label, why, last);
    } finally {
      watch.stop();
    }
  }

  /** Waits for cloud-init: what it has not done by then would be missing in the image. */
  async function settle(host: Host, within: AbortSignal, logIn: (signal: AbortSignal) => Promise<Host>): Promise<Host> {
    const { cloudInit = CLOUD_INIT_MINUTES * 60_000 } = settings;
    if (cloudInit === 0 || !worker.bootsSystems) return host;
    say('waiting for cloud-init');
    let at = host;
    try {
      await whenReady(image.name, host, {
        signal: within,
        limit: cloudInit,
        say: (line) => making.console.line(line),
        logIn: async (signal) => {
          at = await logIn(signal);
          return at;
        },
      });
      return at;
    } catch (error) {
      at.close();
      throw error;
    }
  }

  async function run(host: Host, { name, user, interpreter, text }: ImageScript, stopped: AbortSignal): Promise<void> {
    const from = making.console.lines;
    const login = user === '' ? {} : { user };
    const script = { text, interpreter, env: {}, timeout: settings.timeout + END_LIMIT, ...login };
    const running = runScript(host, script, { signal: AbortSignal.any([signal, stopped]), onOutput });
    // A guest that stands still does not end its script, which would be waited for.
    const result = await abortable(running, stopped).catch((error) => {
      throw factsOf(error).isInterruption ? imageLost(image.name, at, error, false) : error;
    });
    if (result.code === 0) return;
    const how = result.signal === undefined ? `ended with exit code ${result.code}` : `was ended by ${result.signal}`;
    const said = making.console.lines > from ? (making.console.tail(1)[0] ?? '') : '';
    throw imageScriptFailed(image.name, name, how, clip(said, 300));
  }

  async function seal(host: Host, stopped: AbortSignal): Promise<void> {
    const script = { name: 'that seals it', user: 'root', interpreter: '/bin/sh', text: SEAL };
    await run(host, script, stopped).catch((error) => {
      // A login that cannot become root makes an image all the same: it is as its scripts left it.
      if (!factsOf(error).isNotStarted) throw error;
      making.console.line(`The image keeps its machine-id and its SSH host keys: ${messageOf(error)}`);
    });
  }

  /** @param left whether something could not be removed: then the worker is out of reach */
  function faultOf(error: unknown, left: boolean): unknown {
    if (making.signal.aborted) return making.signal.reason;
    if (isWorkerFull(error)) return error;
    if (left) return imageLost(image.name, at, error, true);
    if (late.aborted && !factsOf(error).isNotStarted)
      return imageTimeUp(image.name, Math.max(1, Math.round(settings.timeout / 60_000)), at);
    return error;
  }

  async function keepConsole(): Promise<void> {
    const lines = await consoleEnd(hypervisor, domain);
    if (lines.length === 0) return;
    making.console.line('=== the end of the serial console');
    for (const line of lines) making.console.line(line);
  }
}

/** Undoes each in turn, whatever becomes of the others. Gives those that could not be. */
async function undoEach(undo: readonly Undo[], onFault?: (what: string, error: unknown) => void): Promise<Undo[]> {
  const left: Undo[] = [];
  for (const one of undo) {
    try {
      await one.work({ signal: AbortSignal.timeout(END_LIMIT) });
    } catch (error) {
      left.push(one);
      onFault?.(one.what, error);
    }
  }
  return left;
}
