import { SIGN_OF_LIFE } from './boot-sector.ts';

/**
 * The probe guest's program on aarch64, which QEMU's machine `virt` starts without a bootloader: it waits for the
 * virtual timer, writes 2 MiB of memory and reads them back, then writes the text that follows it to the serial port
 * (PL011 at 0x09000000) and powers off (PSCI SYSTEM_OFF).
 */
const PROGRAM = [
  'd53be000 d346fc00 d51be300', //          mrs x0, cntfrq_el0; lsr x0, x0, #6; msr cntv_tval_el0, x0
  'd2800021 d51be321', //                   mov x1, #1; msr cntv_ctl_el0, x1
  'd53be321 3617ffe1', //                   mrs x1, cntv_ctl_el0; tbz x1, #2, again
  'd2a82000 91480001 aa0003e2', //          x0 = 0x41000000; x1 = x0 + 2 MiB; x2 = x0
  'f9000042 91002042 eb01005f 54ffffa1', // str x2, [x2]; add x2, x2, #8; until x1
  'f85f8c22 eb01005f 54000121', //          ldr x2, [x1, #-8]!; another number: to the end
  'eb00003f 54ffff81', //                   again, until x0
  'd2a12000 10000121', //                   x0 = 0x09000000; adr x1, text
  '38401422 34000062 b9000002 17fffffd', // ldrb w2, [x1], #1; at its end leave the loop; str w2, [x0]; again
  '52800100 72b08000 d4000002 17fffffd', // w0 = 0x84000008; hvc #0; again
];

/** Returns the probe guest for QEMU's option `-kernel`. */
export function armProgram(): Buffer {
  const words = PROGRAM.flatMap((line) => line.split(' '));
  const program = Buffer.alloc(words.length * 4);
  for (const [i, word] of words.entries()) program.writeUInt32LE(Number.parseInt(word, 16), i * 4);
  return Buffer.concat([program, Buffer.from(`${SIGN_OF_LIFE}\0`, 'latin1')]);
}
