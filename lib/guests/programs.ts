import { program } from '../util/program.ts';

/** Prints the id of the guest's boot (random(4)), which is new at each boot; nothing if the guest has none. */
export const READ_BOOT_ID = 'cat /proc/sys/kernel/random/boot_id 2>/dev/null; exit 0';

/** Exit code of AWAIT_CLOUD_INIT if there is nothing to wait for. */
export const NO_CLOUD_INIT_EXIT_CODE = 40;

/** Waits until cloud-init has finished: see the file. */
export const AWAIT_CLOUD_INIT = program(import.meta.url, 'await-cloud-init');
