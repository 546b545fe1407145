import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** File that a guest's process runs: the source, or what it was compiled to. */
export const GUEST_ENTRY = fileURLToPath(new URL(`./guest/main${extname(import.meta.url)}`, import.meta.url));

/**
 * Environment variable that every process of a guest carries. Its value is the guest's mark, made for one boot, so
 * that a process is never taken for one of another guest, or of another controller's guest of the same name.
 */
export const MARK_VARIABLE = 'RECHECK_GUEST';

/** What a guest is told when its process starts: the first message that it takes. */
export interface GuestConfig {
  domain: string;
  mark: string;
  /** Its own loopback address, such as 127.71.3.9. */
  address: string;
  /** Folder of its clone: its home. */
  home: string;
  /** Folder for its temporary files, made before the boot. */
  tmp: string;
  /** Base URL of the metadata server; missing where there is none, and then it lets nobody in. */
  metadataUrl?: string;
  /** Milliseconds for which metadata is asked for, again and again. */
  metadataTimeout: number;
  /** Milliseconds that a user-data script may hold up the opening of SSH. */
  scriptTimeout: number;
  /** Private SSH host key, OpenSSH or PEM; one is made where missing. */
  hostKey?: string;
}

/** What a guest says to the hypervisor: its SSH is open. */
export interface GuestUp {
  type: 'up';
  /** Port of its SSH at its address. */
  port: number;
}

/** Exit code of a guest's process that ended all others of the guest before it. */
export const CLEAN_EXIT = 0;
