/** How an image shows the architecture that it is for. */
interface Architecture {
  name: string;
  /** Words in file names, as a regular expression. */
  words: string;
  /** What `uname -m` prints on machines that can run it. */
  machines: readonly string[];
  /** Names of the boot file in EFI/BOOT, 8 characters as FAT stores them (UEFI 2.10, 3.5.1.1). */
  bootFiles: readonly string[];
  /** GPT type of its root partition (Discoverable Partitions Specification). */
  root?: string;
}

const X86 = ['x86_64', 'i386', 'i486', 'i586', 'i686'];

const ARCHITECTURES: readonly Architecture[] = [
  {
    name: 'x86_64',
    words: 'x86[-_]64|amd64|x64|em64t',
    machines: X86,
    bootFiles: ['BOOTX64'],
    root: '4f68bce3-e8cd-4db1-96e7-fbcaf984b709',
  },
  {
    name: 'i386',
    words: 'i[3-6]86|x86|ia32',
    machines: X86,
    bootFiles: ['BOOTIA32'],
    root: '44479540-f297-41b2-9af7-d131d5f0458a',
  },
  {
    name: 'aarch64',
    words: 'aarch64|arm64',
    machines: ['aarch64', 'arm64'],
    bootFiles: ['BOOTAA64'],
    root: 'b921b045-1df0-41c3-af44-4c6f280d3fae',
  },
  {
    name: 'arm',
    words: 'arm|armhf|armhfp|armel|arm32|armv[5-7]h?l?',
    machines: ['armv5l', 'armv6l', 'armv7l', 'armv8l'],
    bootFiles: ['BOOTARM'],
    root: '69dad710-2ce4-4e3c-b16c-21a1d49abed3',
  },
  {
    name: 'ppc64le',
    words: '(?:ppc|powerpc)64(?:le|el)',
    machines: ['ppc64le', 'ppc64'],
    bootFiles: [],
    root: 'c31c45e6-3f39-412e-80fb-4809c4980599',
  },
  {
    name: 'ppc64',
    words: '(?:ppc|powerpc)(?:64)?',
    machines: ['ppc64le', 'ppc64'],
    bootFiles: [],
    root: '912ade1d-a839-4913-8964-a10eee08fbd2',
  },
  { name: 's390x', words: 's390x?', machines: ['s390x'], bootFiles: [], root: '5eead9a9-fe09-4a1e-a1d7-520d00531306' },
  {
    name: 'riscv64',
    words: 'riscv64|riscv',
    machines: ['riscv64'],
    // A longer name has a short one that ends with ~1.
    bootFiles: ['BOOTRI~1'],
    root: '72ec70a6-cf74-40e6-bd49-4bda08e8f224',
  },
  {
    name: 'loongarch64',
    words: 'loongarch64|loong64',
    machines: ['loongarch64'],
    bootFiles: ['BOOTLO~1'],
    root: '77055800-792c-4f94-b39a-98c91b762bb6',
  },
  {
    name: 'mips',
    words: 'mips(?:64)?(?:el|r6el)?',
    machines: ['mips', 'mips64'],
    bootFiles: [],
  },
];

const WORDS = new RegExp(
  `(?<![a-z0-9])(?:${ARCHITECTURES.map(({ words }) => `(${words})`).join('|')})(?:v[1-4])?(?![a-z0-9])`,
  'g',
);

/**
 * Returns the architectures that a path names: those in its file name, otherwise in the nearest folder that names any.
 *
 * @param path decoded, of a URL or a file
 */
export function architecturesOf(path: string): string[] {
  for (const part of path.toLowerCase().split('/').reverse()) {
    const found = [...part.matchAll(WORDS)].map((match) => match.slice(1).findIndex((word) => word !== undefined));
    if (found.length > 0) return [...new Set(found)].map((index) => ARCHITECTURES[index]!.name);
  }
  return [];
}

/** Returns what `uname -m` may print on machines that can run one of these architectures. */
export const machinesOf = (names: readonly string[]): string[] => [
  ...new Set(ARCHITECTURES.filter(({ name }) => names.includes(name)).flatMap(({ machines }) => machines)),
];

/** Returns the architectures of boot files in EFI/BOOT, by their 8.3 names: `BOOTX64.EFI`. */
export const architecturesOfBootFiles = (files: readonly string[]): string[] =>
  ARCHITECTURES.filter(({ bootFiles }) => bootFiles.some((file) => files.includes(`${file}.EFI`))).map(
    ({ name }) => name,
  );

/** Returns the architectures of root partitions, by their GPT types. */
export const architecturesOfTypes = (types: readonly string[]): string[] =>
  ARCHITECTURES.filter(({ root }) => root !== undefined && types.includes(root)).map(({ name }) => name);
