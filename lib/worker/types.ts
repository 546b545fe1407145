import type { Duplex, Readable } from 'node:stream';
import type { Host } from '../ssh/types.ts';

/** Whose a clone or a domain is: carried by each, so that a reaper can tell. */
export interface Owner {
  build: string;
  attempt: number;
}

/** An image as a worker is to have it. */
export interface ImageSpec {
  /** Name shown to people; letters, digits, dot, dash, underscore. */
  name: string;
  /** Key of what it is made of: a changed definition is another image. */
  key: string;
  source: { kind: 'directory'; path: string } | { kind: 'empty' };
  /** Who logs in to its guests. */
  loginUser: string;
}

export interface Disk {
  /** vda, vdb, … */
  name: string;
  path: string;
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
  has(image: ImageSpec, options: CallOptions): Promise<boolean>;
  /** Makes the image where it is missing. `onProgress` takes a short text such as "62 %". */
  make(image: ImageSpec, options: CallOptions & { onProgress?: (text: string) => void }): Promise<void>;
  clone(image: ImageSpec, name: string, owner: Owner, options: CallOptions): Promise<Clone>;
  /** Fine where it is gone already. */
  remove(name: string, options: CallOptions): Promise<void>;
  list(options: CallOptions): Promise<{ name: string; owner: Owner }[]>;
}

export interface Network {
  /** A libvirt network's name, a bridge's, or `name%`: a private bridge made for the build. */
  source: string;
  mac?: string;
}

export interface GuestSpec {
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
}

export interface BootedGuest {
  domain: string;
}

/** Runs guests on one worker. Each call can be repeated without harm. */
export interface Hypervisor {
  boot(spec: GuestSpec, options: CallOptions): Promise<BootedGuest>;
  /** Waits until the guest has an address and gives it. Rejects with a CiError where the guest died first. */
  address(domain: string, options: CallOptions): Promise<{ host: string; port: number }>;
  /** Which guest has that address now; asked by the metadata server while a request waits. */
  domainAt(address: string, options: CallOptions): Promise<string | undefined>;
  /** The guest's serial console so far; undefined where there is none. */
  console(domain: string, options: CallOptions): Promise<Readable | undefined>;
  /** Ends the guest. Fine where it is gone already. */
  stop(domain: string, options: CallOptions): Promise<void>;
  list(options: CallOptions): Promise<{ domain: string; owner: Owner }[]>;
}

/** Serves one HTTP connection of a guest whose source address is known. */
export type ServeMetadata = (socket: Duplex, sourceAddress: string) => void;

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
  readonly strangers: boolean;
  readonly storage: Storage;
  readonly hypervisor: Hypervisor;
  linkMetadata(serve: ServeMetadata, options: CallOptions): Promise<MetadataLink>;
  /** The commands that boot such a guest by hand, for the build's page; missing where there are none. */
  byHand?(image: ImageSpec, guest: string): string[];
  /** Logs in to a guest once; rejects at the first refusal. The caller tries again and closes the host. */
  login(login: Login, options: CallOptions): Promise<Host>;
}
