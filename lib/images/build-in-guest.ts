import { PRIVATE_FIRST } from '../errors/build-guest.ts';
import { factsOf, messageOf } from '../errors/ci-error.ts';
import { imageLost, imageNotBooted, imageScriptFailed, imageTimeUp } from '../errors/image.ts';
import { isWorkerFull } from '../errors/worker.ts';
import { logInToGuest } from '../guests/login.ts';
import { type GuestMetadata, publishMetadata } from '../guests/metadata.ts';
import { consoleEnd, whyNotUp } from '../guests/not-up.ts';
import { DEFAULT_CLOUD_INIT_LIMIT_MINUTES, whenReady } from '../guests/ready.ts';
import { watchGuest } from '../guests/watch.ts';
import type { ConsoleWriter } from '../logs/console.ts';
import { buildDocument } from '../metadata/document.ts';
import { runScript } from '../ssh/script.ts';
import type { Host } from '../ssh/types.ts';
import { imageFolder } from '../storage/names.ts';
import { abortable } from '../util/abort.ts';
import { clip } from '../util/plain-text.ts';
import { program } from '../util/program.ts';
import { pickHardware } from '../worker/hardware.ts';
import { isFirstPrivate } from '../worker/private-first.ts';
import type { Clone, ImageScript, ImageSource, ImageSpec, Owner, Worker } from '../worker/types.ts';
import type { ImageServices } from './services.ts';

/** Prepares a guest's disk to be an image, and prints what an operator should know. */
const SEAL = program(import.meta.url, 'seal');

/** Milliseconds that removing one thing may take. */
const REMOVE_TIMEOUT_MS = 60_000;

/** Milliseconds by which a script's own time limit is later than the build's, whose message says more. */
const SCRIPT_SLACK_MS = 60_000;

/** Returns the owner of the guest that an image is built in. */
export const imageOwner = (controller: string, image: ImageSpec): Owner => ({
  controller,
  build: `image-${imageFolder(image)}`,
  attempt: 0,
});

/** One thing to remove after a build. */
interface Removal {
  /** As the subject of a message: "its guest". */
  what: string;
  work(limit: { signal: AbortSignal }): Promise<unknown>;
}

/** How an image build reports, and what stops it. */
export interface ImageBuildOptions {
  signal: AbortSignal;
  console: ConsoleWriter;
  /** Called with the current step. */
  onProgress(text: string): void;
}

/**
 * Builds an image from its parent, which must exist: clones the parent, boots the clone, runs the scripts in it, shuts it
 * down cleanly and keeps its disk. Whatever happens, no guest and no unfinished image is left; what cannot be removed now
 * is retried later.
 *
 * @throws CiError that says what failed; the signal's reason if it aborts
 */
export async function buildInGuest(
  worker: Worker,
  image: ImageSpec,
  source: Extract<ImageSource, { kind: 'parent' }>,
  services: ImageServices,
  build: ImageBuildOptions,
): Promise<void> {
  const { making: settings } = source;
  const { storage, hypervisor } = worker;
  const { controller } = services;
  // Another Recheck may build the same image on that worker, in a storage of its own.
  const domain = `recheck-image-${controller}-${image.name}-${image.key}`;
  const leftover = `image ${worker.id} ${imageFolder(image)}`;
  const late = AbortSignal.timeout(settings.timeout);
  const signal = AbortSignal.any([build.signal, late]);
  let step = '';
  const say = (text: string): void => {
    step = text;
    build.console.line(`=== ${text}`);
    build.onProgress(text);
  };
  const onOutput = (chunk: Buffer) => build.console.write(chunk);
  /** Removed in reverse order. */
  const removals: Removal[] = [];
  /** Whether a draft was begun: it may exist even if its answer was not waited for. */
  let drafted = false;
  let kept = false;
  let failure: { error: unknown } | undefined;
  try {
    say('cloning');
    // A guest left by a crashed controller or an earlier build would run on a disk that is gone.
    await hypervisor.stop(domain, { signal });
    // From here on this build removes them.
    await abortable(services.cleanupQueue.drop(leftover), signal);
    drafted = true;
    const draft = await storage.draft(image, { signal });
    const published = publishMetadata(services.metadata, worker, image, domain, document());
    removals.push({ what: 'its metadata', work: async () => published.drop() });
    const { link, release } = await services.links.acquire(worker, signal);
    removals.push({ what: 'the route to its metadata', work: release });
    removals.push({ what: 'its guest', work: (limit) => hypervisor.stop(domain, limit) });
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
  if (drafted && !kept)
    removals.unshift({ what: 'its unfinished disk', work: (limit) => storage.discard(image, limit) });
  let left = await removeEach(removals.reverse(), (what, error) => {
    build.console.line(`${what} could not be removed now: ${messageOf(error)}`);
  });
  if (left.length > 0) {
    services.cleanupQueue.keep(leftover, async () => {
      left = await removeEach(left);
      return left.length === 0;
    });
  }
  if (!failure) return;
  const fault = faultOf(failure.error, left.length > 0);
  build.console.line(messageOf(fault));
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
    if (privateFirst) build.console.line(PRIVATE_FIRST);
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
      if (isIn || build.signal.aborted) throw cause;
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

  /** Waits for cloud-init: what it has not done before the scripts run would be missing in the image. */
  async function settle(host: Host, within: AbortSignal, logIn: (signal: AbortSignal) => Promise<Host>): Promise<Host> {
    const { cloudInit = DEFAULT_CLOUD_INIT_LIMIT_MINUTES * 60_000 } = settings;
    if (cloudInit === 0 || !worker.bootsSystems) return host;
    say('waiting for cloud-init');
    let at = host;
    try {
      await whenReady(image.name, host, {
        signal: within,
        limit: cloudInit,
        say: (line) => build.console.line(line),
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
    const from = build.console.lines;
    const login = user === '' ? {} : { user };
    const script = { text, interpreter, env: {}, timeout: settings.timeout + SCRIPT_SLACK_MS, ...login };
    const running = runScript(host, script, { signal: AbortSignal.any([signal, stopped]), onOutput });
    // A guest that hangs does not end its script, so the script alone would be waited for.
    const result = await abortable(running, stopped).catch((error) => {
      throw factsOf(error).isInterruption ? imageLost(image.name, step, error, false) : error;
    });
    if (result.code === 0) return;
    const how =
      result.signal === undefined ? `ended with exit code ${result.code}` : `was killed by signal ${result.signal}`;
    const said = build.console.lines > from ? (build.console.tail(1)[0] ?? '') : '';
    throw imageScriptFailed(image.name, name, how, clip(said, 300));
  }

  async function seal(host: Host, stopped: AbortSignal): Promise<void> {
    const script = { name: 'that seals it', user: 'root', interpreter: '/bin/sh', text: SEAL };
    await run(host, script, stopped).catch((error) => {
      // A login that cannot become root is no reason to fail: the image is as its scripts left it.
      if (!factsOf(error).isNotStarted) throw error;
      build.console.line(`The image keeps its machine-id and its SSH host keys: ${messageOf(error)}`);
    });
  }

  /** @param left whether something could not be removed: then the worker cannot be reached */
  function faultOf(error: unknown, left: boolean): unknown {
    if (build.signal.aborted) return build.signal.reason;
    if (isWorkerFull(error)) return error;
    if (left) return imageLost(image.name, step, error, true);
    if (late.aborted && !factsOf(error).isNotStarted)
      return imageTimeUp(image.name, Math.max(1, Math.round(settings.timeout / 60_000)), step);
    return error;
  }

  async function keepConsole(): Promise<void> {
    const lines = await consoleEnd(hypervisor, domain);
    if (lines.length === 0) return;
    build.console.line('=== the end of the serial console');
    for (const line of lines) build.console.line(line);
  }
}

/** Removes each in turn, even if others fail. Returns those that could not be removed. */
async function removeEach(
  removals: readonly Removal[],
  onFault?: (what: string, error: unknown) => void,
): Promise<Removal[]> {
  const left: Removal[] = [];
  for (const one of removals) {
    try {
      await one.work({ signal: AbortSignal.timeout(REMOVE_TIMEOUT_MS) });
    } catch (error) {
      left.push(one);
      onFault?.(one.what, error);
    }
  }
  return left;
}
