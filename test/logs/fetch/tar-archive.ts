/** What an archive's entry may be told to be. */
export interface Entry {
  name: string;
  content?: Buffer | string;
  /** Type flag; a regular file where missing. */
  kind?: string;
  /** What its header says of its size, where that is not the content's. */
  size?: number;
  /** Bytes that the header is to have at a place, put in before its checksum. */
  patch?: [at: number, bytes: string];
}

const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`;

/** One entry of a tar archive as POSIX' ustar has it, or with a patch as anybody may send it. */
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

/** A whole archive. */
export const archive = (...entries: Entry[]): Buffer => Buffer.concat([...entries.map(entry), END]);
