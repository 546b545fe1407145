import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** File that a guest's process runs: the source, or what it was compiled to. */
export const GUEST_ENTRY = fileURLToPath(new URL(`./guest/main${extname(import.meta.url)}`, import.meta.url));

/**
 * Environment variable of every process of a guest. Its value is the guest's mark, which is unique to one boot, so that
 * a process is never mistaken for that of another guest, even one of the same name on another controller.
 */
export const MARK_VARIABLE = 'RECHECK_GUEST';

/** The first message to a guest's process. */
export interface GuestConfig {
  domain: string;
  mark: string;
  /** Its own loopback address, such as 127.71.3.9. */
  address: string;
  /** Folder of its clone, which is its home. */
  home: string;
  /** Folder for its temporary files; exists before the boot. */
  tmp: string;
  /** Base URL of the metadata server; if missing, nobody can log in. */
  metadataUrl?: string;
  /** Milliseconds for reading the metadata, including retries. */
  metadataTimeout: number;
  /** Milliseconds for which a user-data script may delay SSH. */
  scriptTimeout: number;
  /** Private SSH host key, OpenSSH or PEM; generated if missing. */
  hostKey?: string;
}

/** A guest's message to its hypervisor: SSH is open. */
export interface GuestUp {
  type: 'up';
  /** Port of its SSH at its address. */
  port: number;
}

/** Exit code of a guest's process after it has ended all others of the guest. */
export const CLEAN_EXIT_CODE = 0;
