/** Unusual properties of an archive's entry. */
export interface Entry {
  name: string;
  content?: Buffer | string;
  /** Type flag; a regular file if missing. */
  kind?: string;
  /** Size in its header, if not the content's. */
  size?: number;
  /** Bytes written into the header before its checksum is computed. */
  patch?: [at: number, bytes: string];
}

const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`;

/** Returns an entry of a tar archive in ustar format (POSIX), optionally with a patched header. */
export function entry({ name, content = '', kind = '0', size, patch }: Entry): Buffer {
  const data = Buffer.from(content);
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write(octal(0o644, 8), 100);
  header.write(octal(size ?? data.length, 12), 124);
  header.write(' '.repeat(8), 148);
  header.write(kind, 156);
  header.write('ustar\0', 257);
  if (patch) header.write(patch[1], patch[0], 'latin1');
  header.write(
    `${octal(
      header.reduce((sum, byte) => sum + byte),
      7,
    )} `,
    148,
  );
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

/** The end mark. */
export const END = Buffer.alloc(1024);

/** Returns a complete archive. */
export const archive = (...entries: Entry[]): Buffer => Buffer.concat([...entries.map(entry), END]);
