import type { Duplex, Readable } from 'node:stream';
import type { CiError } from '../errors/ci-error.ts';
import type { Host } from '../ssh/types.ts';

/** The owner of a clone or a domain. Each carries it, so that leftovers can be told from what is in use. */
export interface Owner {
  /** Id of the Recheck that made it (`controllerOf` in lib/builds); several may share a worker. */
  controller: string;
  build: string;
  attempt: number;
}

/** A script that runs while an image is built. */
export interface ImageScript {
  /** Name in messages. */
  name: string;
  /** User who runs it; empty for the login user. */
  user: string;
  /** Program and arguments; `/bin/bash -xe` if empty. */
  interpreter: string;
  text: string;
}

/** The guest in which an image is built from its parent. */
export interface ImageMaking {
  /** MiB. */
  memory: number;
  vcpus: number;
  networks: Network[];
  /** Template of its user-data; empty for none. */
  userData: string;
  /** Keys of the operator that it accepts beside the controller's, in authorized_keys format. */
  authorizedKeys: string;
  /** Milliseconds for boot, scripts and shutdown together. */
  timeout: number;
  /** Milliseconds to wait for cloud-init before the first script; 0 does not wait; 10 minutes by default. */
  cloudInit?: number;
}

/** Firmware of a guest: a BIOS, or UEFI without secure boot. */
export type Firmware = 'bios' | 'uefi';

/** The virtual hardware that an image or a guest needs. What is missing is left to the worker. */
export interface Hardware {
  /** `host`, `max`, a level such as `x86-64-v2`, or a CPU model by its name in libvirt. */
  cpu?: string;
  firmware?: Firmware;
}

/** Where an image comes from. */
export type ImageSource =
  /** A folder of files on the worker. */
  | { kind: 'directory'; path: string }
  | { kind: 'empty' }
  /** A disk image that the worker downloads: http, https, or `file:` for a file on the worker. */
  | {
      kind: 'url';
      url: string;
      /** Expected SHA-256 or SHA-512 of the published file, or the URL of a checksum file. */
      sha256?: string;
      /** GiB to grow the disk to. */
      diskSize?: number;
      /** Days after which it is downloaded again. */
      renew?: number;
    }
  /** A clone of another image in which scripts run, in order. */
  | { kind: 'parent'; parent: ImageSpec; scripts: ImageScript[]; making: ImageMaking };

/** An image, and the virtual hardware of its guests: clones of it, and the guest in which it is built. */
export interface ImageSpec extends Hardware {
  /** Display name; letters, digits, dot, dash, underscore. */
  name: string;
  /** Digest of its definition: a changed definition is another image. */
  key: string;
  source: ImageSource;
  /** User to log in to its guests as. */
  loginUser: string;
  /** Earlier versions, the latest first: used while a renewal fails. Missing if it is never renewed. */
  former?: ImageSpec[];
  /**
   * Whether its guests keep SSH host keys of their own, because they take none from their metadata: then the first key
   * of a guest is trusted. Otherwise only the key generated for the guest is.
   */
  ownHostKey?: boolean;
}

/** A disk of a clone. */
export interface Disk {
  /** vda, vdb, … */
  name: string;
  path: string;
  format: 'qcow2' | 'raw';
}

/** Copy-on-write disks of one guest. */
export interface Clone {
  name: string;
  /** Folder of the clone on the worker. */
  path: string;
  disks: Disk[];
}

/** Options of every call to a worker. */
export interface CallOptions {
  signal: AbortSignal;
}

/** Copy-on-write storage of one worker. Each call is idempotent. */
export interface Storage {
  /** Whether the image can be cloned: it and what it was made from exist, the latter unchanged. */
  has(image: ImageSpec, options: CallOptions): Promise<boolean>;
  /**
   * Creates the image if it is missing: all kinds but `parent`, which takes a guest (draft, then adopt).
   * `onProgress` gets a short text such as "62 %".
   */
  make(image: ImageSpec, options: CallOptions & { onProgress?: (text: string) => void }): Promise<void>;
  /**
   * @param options with `old`, clones an image although the file or folder on the worker that it was copied from has
   *   changed
   * @throws CiError storage/no-image if it is missing, or what it was made from has changed
   */
  clone(image: ImageSpec, name: string, owner: Owner, options: CallOptions & { old?: boolean }): Promise<Clone>;
  /** Removes a clone. */
  remove(name: string, options: CallOptions): Promise<void>;
  list(options: CallOptions): Promise<{ name: string; owner: Owner }[]>;
  /**
   * Begins an image of kind `parent`: a writable clone of the parent that no build sees. Discards what an earlier
   * attempt left.
   */
  draft(image: ImageSpec, options: CallOptions): Promise<Clone>;
  /** Turns the draft into the image, once its guest has shut down. */
  adopt(image: ImageSpec, options: CallOptions): Promise<void>;
  /** Discards the draft, if any. */
  discard(image: ImageSpec, options: CallOptions): Promise<void>;
  /**
   * Removes images and drafts that this storage created, that are not in `keep`, and from which no clone and no kept
   * image was made.
   *
   * @returns `name@key` of each removed one
   */
  collect(keep: readonly ImageSpec[], options: CallOptions): Promise<string[]>;
}

/** A network interface of a guest. */
export interface Network {
  /** Name of a libvirt network or a bridge, or `name%` for a private bridge of the build. */
  source: string;
  mac?: string;
}

/** A guest to boot. */
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
  /** Base URL of the guest's metadata, unless that is at 169.254.169.254. */
  metadataUrl?: string;
  /** Template of the domain XML; the worker's own if missing. */
  template?: string;
}

/** Address of a guest's SSH server, as seen from its worker. */
export interface GuestAddress {
  host: string;
  port: number;
}

/** A guest that was started. */
export interface BootedGuest {
  domain: string;
}

/** Runs guests on one worker. Each call is idempotent. */
export interface Hypervisor {
  boot(spec: GuestSpec, options: CallOptions): Promise<BootedGuest>;
  /**
   * Waits until the guest has an address. A guest may request several while it boots, and keep only the last: returns
   * all that it may have, the most likely one first.
   *
   * @throws CiError if the guest died, or has another guest's address
   */
  addresses(domain: string, options: CallOptions): Promise<GuestAddress[]>;
  /** Returns the domain that has this address now; called by the metadata server while a request waits. */
  domainAt(address: string, options: CallOptions): Promise<string | undefined>;
  /** Returns the guest's serial console so far; undefined if there is none. */
  console(domain: string, options: CallOptions): Promise<Readable | undefined>;
  /**
   * Asks the guest to power off, and waits until it has done so and its disks are written. Idempotent.
   *
   * @throws CiError if it does not power off in time
   */
  shutdown(domain: string, options: CallOptions): Promise<void>;
  /**
   * Checks that a guest that was up can go on and that its disk can be written: a fault of the worker must not be
   * blamed on the patch. Missing if a guest is known by its connection only.
   *
   * @throws CiError that says why it cannot
   */
  check?(domain: string, options: CallOptions): Promise<void>;
  /**
   * Calls back within seconds, with the reason, if a guest cannot go on: it is gone, or was paused by the worker.
   * Returns a function that ends the watch. Missing if `check` is.
   */
  watch?(domain: string, tell: (fault: CiError) => void): () => void;
  /** Destroys the guest, if it exists. */
  stop(domain: string, options: CallOptions): Promise<void>;
  list(options: CallOptions): Promise<{ domain: string; owner: Owner }[]>;
}

/**
 * Serves one HTTP connection from a guest's source address. With `proxy`, a connection from a loopback address comes
 * from a web server, whose requests name the guest in X-Real-IP.
 */
export type ServeMetadata = (socket: Duplex, sourceAddress: string, options?: { proxy?: boolean }) => void;

/** An address and port of this machine that the metadata server listens at; port 0 chooses one. */
export interface ListenAt {
  address: string;
  port: number;
}

/** An open route from a worker's guests to the metadata server; the worker's builds share it. */
export interface MetadataLink {
  /** Base URL of the metadata for a guest, unless that is at 169.254.169.254. */
  url?: string;
  close(): Promise<void>;
}

/** How to log in to a guest. */
export interface Login {
  host: string;
  port: number;
  user: string;
  privateKey: string;
  /** The guest's SSH host key, if known before the boot: `SHA256:…` or a public-key line. */
  hostKey?: string;
}

/** Free capacity of a worker host. */
export interface HostCapacity {
  /** Free memory, in MiB. */
  memory: number;
  /** Load average over one minute. */
  load: number;
  /** Why it accepts no build now: "has 512 MiB of free memory, and 1024 are wanted"; missing if it does. */
  reason?: string;
  /** The same in one or two words, for a status: "memory". */
  brief?: string;
}

/** What someone needs to boot a build's guest manually. */
export interface ManualGuest {
  name: string;
  clone?: Clone;
  /** MiB. */
  memory?: number;
  vcpus?: number;
  hardware?: Hardware;
}

/** One worker host. */
export interface Worker {
  /** Id of its worker-host node. */
  readonly id: string;
  /** Name in messages. */
  readonly label: string;
  /** Maximum number of concurrent builds. */
  readonly slots: number;
  /** Whether its guests are isolated from it; otherwise it only runs builds of a Gerrit on this machine. */
  readonly isolated: boolean;
  /** Whether its operator allowed untrusted code on it nevertheless. */
  readonly acceptsUntrusted: boolean;
  /**
   * Whether its guests are operating systems that boot and run cloud-init; the sandbox's are processes of this machine.
   */
  readonly bootsSystems: boolean;
  readonly storage: Storage;
  readonly hypervisor: Hypervisor;
  /** Whether its guests get a generated SSH host key through their metadata; otherwise the worker knows their keys. */
  readonly giveHostKeys: boolean;
  /**
   * Opens a route from its guests to the metadata server: the worker's own by default, or an address and port of this
   * machine with `listenAt`. A worker whose guests are processes of this machine ignores `listenAt`.
   *
   * @throws CiError if `listenAt` is given and the worker is another machine
   */
  linkMetadata(serve: ServeMetadata, options: CallOptions & { listenAt?: ListenAt }): Promise<MetadataLink>;
  /** Removes what the routes of a dead controller left on the worker; missing if they leave nothing. */
  sweepMetadata?(options: CallOptions): Promise<void>;
  /** Returns its free capacity; missing if it has no limits. */
  capacity?(options: CallOptions): Promise<HostCapacity>;
  /** Returns the commands that boot such a guest manually, for the build page; missing if there are none. */
  manualCommands?(image: ImageSpec, guest: ManualGuest): string[];
  /** Tries once to log in to a guest. The caller retries, and closes the host. */
  login(login: Login, options: CallOptions): Promise<Host>;
}
