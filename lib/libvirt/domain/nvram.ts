import { program } from '../../util/program.ts';

/** Exit code of `remove_variables` if a file stays; it prints which. */
export const VARIABLES_LEFT_EXIT_CODE = 11;

/**
 * Shell functions for the file with a guest's UEFI variables. libvirt creates it when the guest starts, even if the
 * start fails, and leaves that of a transient domain to whoever started it (formatdomain, `nvram`).
 */
export const VARIABLES = program(import.meta.url, 'variables');
