/** What the probe guest writes to its serial port. */
export const SIGN_OF_LIFE = 'recheck: alive';

/**
 * The probe guest's program, which the BIOS runs at 0x7c00 in real mode. Broken virtualization often runs real mode
 * well, and hangs or gives up the guest later, so this does what every system does early: it waits for timer
 * interrupts, creates page tables, enters 64-bit mode, handles timer interrupts there, and meanwhile writes 8 MiB of
 * memory and reads them back. Then it writes the text that follows it to the first serial port, and to port 0xf4, where
 * QEMU's isa-debug-exit ends the machine.
 */
const PROGRAM = [
  '31c0 8ed8 8ec0 8ed0 bc007c', //            ds, es, ss = 0; sp = 0x7c00
  'fb 66a16c04 6683c002', //                  sti; eax = [0x46c] + 2: two ticks of the BIOS's clock from now
  'f4 663b066c04 77f8 fa', //                 hlt until [0x46c] is there; cli
  'fc bf0010 b90018 31c0 f3ab', //            clear 0x1000 to 0x3fff
  'c70600100320', //                          [0x1000] = 0x2003: page map
  'c70600200330', //                          [0x2000] = 0x3003: page directories
  'bf0030 66b883000000 b90800', //            8 pages of 2 MiB from 0x3000 on, each address itself:
  '668905 660500002000 83c708 e2f2', //         [di] = eax; eax += 2 MiB; di += 8; loop
  '66b800100000 0f22d8', //                   cr3 = 0x1000
  '0f20e0 0c20 0f22e0', //                    cr4: physical address extension
  '66b9800000c0 0f32 80cc01 0f30', //         EFER: long mode
  '0f0116347d', //                            lgdt [0x7d34]
  '0f20c0 660d01000080 0f22c0', //            cr0: protection, paging
  'ea827c0800', //                            jmp 8:0x7c82, from here on in 64 bits
  'b810000000 8ed0 bc007c0000', //            ss = 16; esp = 0x7c00
  'bf00400000 b984000000 31c0 f3ab', //       clear the interrupt table at 0x4000
  'bf00420000 b8127d0800 8907', //            its entry 0x20: code at 8:0x7d12,
  'c74704008e0000 0f011c253a7d0000', //         an interrupt gate; lidt [0x7d3a]
  'b011e620 b020e621 b004e621 b001e621', //   interrupt controller: its first line is interrupt 0x20,
  'b0fee621 31db fb', //                        and no other; ebx = 0; sti
  'bf00002000', //                            from 2 MiB on, each 64 bytes:
  '48893f 83c740 81ff0000a000 72f2', //         [rdi] = rdi, up to 10 MiB
  'bf00002000', //                            and once more:
  '48393f 7524 83c740 81ff0000a000 72f0', //    halt for ever if it is not
  '83fb04 72d3 fa', //                        all of that until four ticks have come; cli
  'be447d0000 ac 84c0 7407', //               esi = the text; lodsb; at its end leave the loop
  '66baf803 ee ebf4', //                      out 0x3f8, al; again
  'e6f4 f4 ebfd', //                          out 0xf4, al; hlt for ever
  'ffc3 50 b020e620 58 48cf', //              a tick: ebx += 1; tell the controller; iretq
  '0000000000000000 00000000009a2000', //     segments: none, code of 64 bits,
  '0000000000920000 1700 1c7d0000', //          data; their table's size and place, for lgdt
  '0f02 0040000000000000', //                 the interrupt table's size and place, for lidt
];

/** Returns the probe guest: the first sector (512 bytes) of a disk. */
export function bootSector(): Buffer {
  const program = Buffer.from(PROGRAM.join('').replaceAll(' ', ''), 'hex');
  const sector = Buffer.alloc(512);
  program.copy(sector);
  sector.write(SIGN_OF_LIFE, program.length, 'latin1');
  sector.set([0x55, 0xaa], 510);
  return sector;
}
