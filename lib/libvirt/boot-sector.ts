/** What the sign-of-life guest writes to its serial port. */
export const SIGN_OF_LIFE = 'recheck: alive';

/**
 * The guest's program, as the BIOS runs it at 0x7c00 in real mode. It does what every system does first, since broken
 * virtualization runs real mode well and hangs after it: it waits for the timer's interrupts, makes page tables, goes to
 * 64-bit mode, and only there writes the text that follows it to the first serial port. Then it writes to port 0xf4,
 * where QEMU's isa-debug-exit ends the machine.
 */
const PROGRAM = [
  '31c0 8ed8 8ec0 8ed0 bc007c', //      ds, es, ss = 0; sp = 0x7c00
  'fb 66a16c04 6683c002', //            sti; eax = [0x46c] + 2: two ticks of the BIOS's clock from now
  'f4 663b066c04 77f8 fa', //           hlt until [0x46c] is there; cli
  'fc bf0010 b90018 6631c0 f3ab', //    clear 0x1000 to 0x3fff
  'c70600100320', //                    [0x1000] = 0x2003: page map
  'c70600200330', //                    [0x2000] = 0x3003: page directories
  'c70600308300', //                    [0x3000] = 0x83: the first 2 MiB, each address itself
  '66b800100000 0f22d8', //             cr3 = 0x1000
  '0f20e0 0c20 0f22e0', //              cr4: physical address extension
  '66b9800000c0 0f32 80cc01 0f30', //   EFER: long mode
  '0f0116957c', //                      lgdt [0x7c95]
  '0f20c0 660d01000080 0f22c0', //      cr0: protection, paging
  'ea6f7c0800', //                      jmp 8:0x7c6f, from here on in 64 bits
  'be9b7c0000', //                      esi = the text
  'ac 84c0 7407', //                    lodsb; at its end leave the loop
  '66baf803 ee ebf4', //                out 0x3f8, al; again
  'e6f4 f4 ebfd', //                    out 0xf4, al; hlt for ever
  '0000000000000000 00000000009a2000', // segments: none, and code of 64 bits
  '0f00 857c0000', //                   their table's size and place, for lgdt
];

/** A guest of 512 bytes: the first sector of a disk. */
export function bootSector(): Buffer {
  const program = Buffer.from(PROGRAM.join('').replaceAll(' ', ''), 'hex');
  const sector = Buffer.alloc(512);
  program.copy(sector);
  sector.write(SIGN_OF_LIFE, program.length, 'latin1');
  sector.set([0x55, 0xaa], 510);
  return sector;
}
