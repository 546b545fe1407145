import type { Duplex, Readable } from 'node:stream';
import type { CiError } from '../errors/ci-error.ts';
import type { Host } from '../ssh/types.ts';

/** Whose a clone or a domain is: carried by each, so that a reaper can tell. */
export interface Owner {
  /** Id of the Recheck that made it (controllerOf in lib/build): several may share a worker. */
  controller: string;
  build: string;
  attempt: number;
}

/** A script that a new image is made with. */
export interface ImageScript {
  /** As messages call it. */
  name: string;
  /** Who runs it; empty for the login user. */
  user: string;
  /** Program and arguments; `/bin/bash -xe` where empty. */
  interpreter: string;
  text: string;
}

/** What the guest is like in which an image is made from its parent. */
export interface ImageMaking {
  /** MiB. */
  memory: number;
  vcpus: number;
  networks: Network[];
  /** Template of its user-data; empty for none. */
  userData: string;
  /** Keys of the operator that it lets in beside the controller's, as in an authorized_keys file. */
  authorizedKeys: string;
  /** Milliseconds for all of it: boot, scripts, shutdown. */
  timeout: number;
  /** Milliseconds that cloud-init has to finish before the first script; 0 does not wait for it; 10 minutes by default. */
  cloudInit?: number;
}

/** What a guest starts with: a BIOS, or UEFI without secure boot. */
export type Firmware = 'bios' | 'uefi';

/** The virtual hardware that an image needs, or that a guest is to have. What is missing is left to the worker. */
export interface Hardware {
  /** `host`, `max`, a level such as `x86-64-v2`, or a CPU model by its name in libvirt. */
  cpu?: string;
  firmware?: Firmware;
}

/** What an image is made of. */
export type ImageSource =
  /** Files of a folder on the worker. */
  | { kind: 'directory'; path: string }
  | { kind: 'empty' }
  /** One disk image, fetched by the worker: http, https, or `file:` for a file that is there. */
  | {
      kind: 'url';
      url: string;
      /** SHA-256 or SHA-512 that the file as published must have, or the URL of a checksum file. */
      sha256?: string;
      /** GiB that the disk is grown to. */
      diskSize?: number;
      /** Days after which it is fetched again. */
      renew?: number;
    }
  /** A clone of another image in which scripts ran, in order. */
  | { kind: 'parent'; parent: ImageSpec; scripts: ImageScript[]; making: ImageMaking };

/**
 * An image as a worker is to have it, and the virtual hardware of its guests: of those that are cloned from it, and of
 * the one that its scripts run in.
 */
export interface ImageSpec extends Hardware {
  /** Name shown to people; letters, digits, dot, dash, underscore. */
  name: string;
  /** Key of what it is made of: a changed definition is another image. */
  key: string;
  source: ImageSource;
  /** Who logs in to its guests. */
  loginUser: string;
  /** As it was before its renewals, the latest first: used while a renewal fails. Missing if it is never renewed. */
  former?: ImageSpec[];
  /**
   * Whether its guests keep SSH host keys of their own, because they take none from their metadata: then the first key
   * that a guest shows is believed. Where missing, only the key that was made for a guest is.
   */
  ownHostKey?: boolean;
}

export interface Disk {
  /** vda, vdb, … */
  name: string;
  path: string;
  format: 'qcow2' | 'raw';
}

export interface Clone {
  name: string;
  /** Folder of the clone on the worker. */
  path: string;
  disks: Disk[];
}

export interface CallOptions {
  signal: AbortSignal;
}

/** Copy-on-write storage of one worker. Each call can be repeated without harm. */
export interface Storage {
  /** Whether the image can be cloned: it is there, and so is what it was made of, as it was then. */
  has(image: ImageSpec, options: CallOptions): Promise<boolean>;
  /**
   * Makes the image where it is missing: all kinds but `parent`, which takes a guest (draft, then adopt).
   * `onProgress` takes a short text such as "62 %".
   */
  make(image: ImageSpec, options: CallOptions & { onProgress?: (text: string) => void }): Promise<void>;
  /**
   * @param options with `old`, an image is taken that is to be made again because the file or folder on the worker that
   *   it was copied from has changed
   * @throws CiError storage/no-image if it is not there, or what it was made of is not as it was
   */
  clone(image: ImageSpec, name: string, owner: Owner, options: CallOptions & { old?: boolean }): Promise<Clone>;
  /** Fine where it is gone already. */
  remove(name: string, options: CallOptions): Promise<void>;
  list(options: CallOptions): Promise<{ name: string; owner: Owner }[]>;
  /**
   * Begins an image of kind `parent`: a clone of the parent that may be written to and that no build sees. What an
   * earlier try left is thrown away.
   */
  draft(image: ImageSpec, options: CallOptions): Promise<Clone>;
  /** Makes the draft the image, after its guest was shut down. From then on `has` says yes. */
  adopt(image: ImageSpec, options: CallOptions): Promise<void>;
  /** Throws the draft away. Fine where there is none. */
  discard(image: ImageSpec, options: CallOptions): Promise<void>;
  /**
   * Removes the images and drafts of this storage's own making that are none of `keep`, and that no clone and no kept
   * image is made of.
   *
   * @returns `name@key` of each that went
   */
  collect(keep: readonly ImageSpec[], options: CallOptions): Promise<string[]>;
}

export interface Network {
  /** A libvirt network's name, a bridge's, or `name%`: a private bridge made for the build. */
  source: string;
  mac?: string;
}

export interface GuestSpec extends Hardware {
  /** Name within the build: `vm`, `master`. */
  name: string;
  /** Unique name of the domain on the worker. */
  domain: string;
  clone: Clone;
  /** MiB. */
  memory: number;
  vcpus: number;
  networks: Network[];
  owner: Owner;
  /** Where the guest asks for its metadata, where not at 169.254.169.254. */
  metadataUrl?: string;
  /** Template of the whole domain, where it is not the worker's own. */
  template?: string;
}

/** Where a guest's SSH server is, seen from its worker. */
export interface GuestAddress {
  host: string;
  port: number;
}

export interface BootedGuest {
  domain: string;
}

/** Runs guests on one worker. Each call can be repeated without harm. */
export interface Hypervisor {
  boot(spec: GuestSpec, options: CallOptions): Promise<BootedGuest>;
  /**
   * Waits until the guest has an address. A guest may ask for several while it boots, and keep only the last: returns all
   * that it may have, the most likely one first. Rejects with a CiError if the guest died, or has another guest's address.
   */
  addresses(domain: string, options: CallOptions): Promise<GuestAddress[]>;
  /** Which guest has that address now; asked by the metadata server while a request waits. */
  domainAt(address: string, options: CallOptions): Promise<string | undefined>;
  /** The guest's serial console so far; undefined where there is none. */
  console(domain: string, options: CallOptions): Promise<Readable | undefined>;
  /**
   * Asks the guest to power off and waits until it did, its disks written out. Fine where it is gone already. Rejects
   * with a CiError where it does not, within the signal's time or a limit of its own.
   */
  shutdown(domain: string, options: CallOptions): Promise<void>;
  /**
   * Rejects with a CiError if a guest that was up cannot go on, or if its disk cannot be written any more: what its
   * worker does to a guest is not to be blamed on the patch. Missing if a guest is known by its connection only.
   */
  check?(domain: string, options: CallOptions): Promise<void>;
  /**
   * Calls back, within seconds and with the reason, when a guest cannot go on: it is gone, or stands still and nobody
   * asked for that. Returns what ends the watch. Missing as `check` is.
   */
  watch?(domain: string, tell: (fault: CiError) => void): () => void;
  /** Ends the guest. Fine where it is gone already. */
  stop(domain: string, options: CallOptions): Promise<void>;
  list(options: CallOptions): Promise<{ domain: string; owner: Owner }[]>;
}

/**
 * Serves one HTTP connection of a guest whose source address is known. With `proxy`, one that comes from a loopback
 * address is a web server's, whose requests tell in X-Real-IP who asks.
 */
export type ServeMetadata = (socket: Duplex, sourceAddress: string, options?: { proxy?: boolean }) => void;

/** An address and port of this machine that the metadata server listens at; port 0 chooses one. */
export interface ListenAt {
  address: string;
  port: number;
}

/** The way from a worker's guests to the metadata server; shared by the worker's builds, closed with the last. */
export interface MetadataLink {
  /** Base URL that a guest asks, where it is not 169.254.169.254. */
  url?: string;
  close(): Promise<void>;
}

/** How a guest is logged in to. */
export interface Login {
  host: string;
  port: number;
  user: string;
  privateKey: string;
  /** The guest's SSH host key where it is known from before the boot: `SHA256:…` or a public-key line. */
  hostKey?: string;
}

/** How much room a worker host has. */
export interface HostCapacity {
  /** MiB of memory that are free for use. */
  memory: number;
  /** Load average over a minute. */
  load: number;
  /** Why it takes no build now: "has 512 MiB of free memory, and 1024 are wanted"; missing where it does. */
  reason?: string;
}

/** What of a build's guest a person needs who boots it again by hand. */
export interface GuestByHand {
  name: string;
  clone?: Clone;
  /** MiB. */
  memory?: number;
  vcpus?: number;
  hardware?: Hardware;
}

/** One worker host. */
export interface Worker {
  /** Id of its configuration node. */
  readonly id: string;
  /** As messages call it. */
  readonly label: string;
  /** How many builds it holds at once. */
  readonly slots: number;
  /** Whether its guests have a wall around them; without one it takes builds of a loopback Gerrit only. */
  readonly isolated: boolean;
  /** Whether its operator said that strangers' code may run on it all the same. */
  readonly acceptsUntrusted: boolean;
  /**
   * Whether its guests are systems of their own, which set themselves up while they boot (cloud-init); the sandbox's are
   * processes of this machine.
   */
  readonly bootsSystems: boolean;
  readonly storage: Storage;
  readonly hypervisor: Hypervisor;
  /**
   * Whether its guests get an SSH host key made for them through their metadata. Where they do not, the worker knows
   * their keys itself.
   */
  readonly giveHostKeys: boolean;
  /**
   * Opens the way from its guests to the metadata server: by default the worker's own, `listenAt` an address and port of
   * this machine. A worker whose guests are this machine's own processes has one way only.
   *
   * @throws CiError where it is to be an address of this machine, and the worker is another one
   */
  linkMetadata(serve: ServeMetadata, options: CallOptions & { listenAt?: ListenAt }): Promise<MetadataLink>;
  /** Takes back what the ways of a controller that died left on the worker; missing where they leave nothing. */
  sweepMetadata?(options: CallOptions): Promise<void>;
  /** How much room it has now; missing where that is not looked at. */
  capacity?(options: CallOptions): Promise<HostCapacity>;
  /** The commands that boot such a guest by hand, for the build's page; missing where there are none. */
  manualCommands?(image: ImageSpec, guest: GuestByHand): string[];
  /** Logs in to a guest once; rejects at the first refusal. The caller tries again and closes the host. */
  login(login: Login, options: CallOptions): Promise<Host>;
}
