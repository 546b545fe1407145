import * as fs from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Attributes, SFTPWrapper } from 'ssh2';
import ssh2 from 'ssh2';
import { attributesOf, entryOf } from './sftp-attributes.ts';
import { Handles } from './sftp-handles.ts';

const { OPEN_MODE, STATUS_CODE } = ssh2.utils.sftp;

/** Bytes per read, as in OpenSSH's server. */
const MAX_READ_BYTES = 256 * 1024;
/** Entries of a folder per answer. */
const MAX_NAME_COUNT_PER_ANSWER = 100;

/**
 * Serves SFTP version 3 (draft-ietf-secsh-filexfer-02) for the guest's files. A relative path begins at its home; an
 * absolute one is the same as for the guest's commands.
 *
 * @param gone aborts when the session or its connection is closed
 */
export function serveSftp(sftp: SFTPWrapper, home: string, gone: AbortSignal): void {
  const handles = new Handles();
  gone.addEventListener('abort', () => handles.closeAll());
  // OpenSSH's client says that it is done and waits for the server to close.
  sftp.on('end', () => sftp.end());
  const at = (path: string) => resolve(home, path);

  /** Answers a request with what `work` sends, or with its error as a status. */
  const answer = (id: number, work: () => Promise<void>): void => {
    work().catch((error: NodeJS.ErrnoException) => {
      if (!gone.aborted) sftp.status(id, statusOf(error), error.message);
    });
  };
  /** Answers with success when `work` is done. */
  const act = (id: number, work: () => Promise<unknown>): void =>
    answer(id, async () => {
      await work();
      sftp.status(id, STATUS_CODE.OK);
    });

  sftp.on('OPEN', (id, path, flags, attrs) =>
    answer(id, async () => {
      const file = await fs.open(at(path), nodeFlags(flags), attrs.mode === undefined ? 0o666 : attrs.mode & 0o7777);
      sftp.handle(id, handles.add({ file }));
    }),
  );
  sftp.on('READ', (id, handle, offset, length) =>
    answer(id, async () => {
      const buffer = Buffer.allocUnsafe(Math.min(length, MAX_READ_BYTES));
      const { bytesRead } = await handles.file(handle).read(buffer, 0, buffer.length, offset);
      if (bytesRead === 0 && length > 0) sftp.status(id, STATUS_CODE.EOF);
      else sftp.data(id, buffer.subarray(0, bytesRead));
    }),
  );
  sftp.on('WRITE', (id, handle, offset, data) => {
    // Copied because ssh2 may reuse the buffer before the bytes are written.
    const bytes = Buffer.from(data);
    act(id, async () => {
      const file = handles.file(handle);
      for (let done = 0; done < bytes.length; ) {
        done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
      }
    });
  });
  sftp.on('CLOSE', (id, handle) => act(id, () => handles.close(handle)));

  sftp.on('FSTAT', (id, handle) =>
    answer(id, async () => sftp.attrs(id, attributesOf(await handles.file(handle).stat()))),
  );
  sftp.on('STAT', (id, path) => answer(id, async () => sftp.attrs(id, attributesOf(await fs.stat(at(path))))));
  sftp.on('LSTAT', (id, path) => answer(id, async () => sftp.attrs(id, attributesOf(await fs.lstat(at(path))))));
  sftp.on('SETSTAT', (id, path, attrs) =>
    act(id, async () => {
      if (attrs.size !== undefined) await fs.truncate(at(path), attrs.size);
      if (attrs.mode !== undefined) await fs.chmod(at(path), attrs.mode & 0o7777);
      if (hasTimes(attrs)) await fs.utimes(at(path), attrs.atime, attrs.mtime);
    }),
  );
  sftp.on('FSETSTAT', (id, handle, attrs) =>
    act(id, async () => {
      const file = handles.file(handle);
      if (attrs.size !== undefined) await file.truncate(attrs.size);
      if (attrs.mode !== undefined) await file.chmod(attrs.mode & 0o7777);
      if (hasTimes(attrs)) await file.utimes(attrs.atime, attrs.mtime);
    }),
  );

  sftp.on('OPENDIR', (id, path) =>
    answer(id, async () => {
      sftp.handle(id, handles.add({ folder: await fs.opendir(at(path)), path: at(path) }));
    }),
  );
  sftp.on('READDIR', (id, handle) =>
    answer(id, async () => {
      const { folder, path } = handles.folder(handle);
      const names: string[] = [];
      for (
        let entry = await folder.read();
        entry;
        entry = names.length < MAX_NAME_COUNT_PER_ANSWER ? await folder.read() : null
      ) {
        names.push(entry.name);
      }
      if (names.length === 0) return sftp.status(id, STATUS_CODE.EOF);
      const rows = await Promise.all(
        // A file that was deleted meanwhile is skipped.
        names.map((name) =>
          fs.lstat(join(path, name)).then(
            (stats) => entryOf(name, stats),
            () => undefined,
          ),
        ),
      );
      sftp.name(
        id,
        rows.filter((row) => row !== undefined),
      );
    }),
  );
  sftp.on('REALPATH', (id, path) =>
    answer(id, async () => {
      // As in OpenSSH, a path that does not exist is only made absolute.
      const filename = await fs.realpath(at(path)).catch(() => at(path));
      sftp.name(id, [{ filename, longname: filename, attrs: {} as Attributes }]);
    }),
  );
  sftp.on('READLINK', (id, path) =>
    answer(id, async () => {
      const filename = await fs.readlink(at(path));
      sftp.name(id, [{ filename, longname: filename, attrs: {} as Attributes }]);
    }),
  );
  // The target is not resolved: it is relative to the link.
  sftp.on('SYMLINK', (id, linkPath, target) => act(id, () => fs.symlink(target, at(linkPath))));

  sftp.on('MKDIR', (id, path, attrs) =>
    act(id, () => fs.mkdir(at(path), attrs.mode === undefined ? 0o777 : attrs.mode & 0o7777)),
  );
  sftp.on('RMDIR', (id, path) => act(id, () => fs.rmdir(at(path))));
  sftp.on('REMOVE', (id, path) => act(id, () => fs.unlink(at(path))));
  sftp.on('RENAME', (id, from, to) =>
    act(id, async () => {
      // Version 3: "It is an error if there already exists a file with the name specified by newpath."
      if (await fs.lstat(at(to)).catch(() => undefined)) throw new Error('the new name is taken');
      await fs.rename(at(from), at(to));
    }),
  );
}

const hasTimes = (attrs: Attributes): boolean => attrs.atime !== undefined && attrs.mtime !== undefined;

function statusOf(error: NodeJS.ErrnoException): number {
  if (error.code === 'ENOENT') return STATUS_CODE.NO_SUCH_FILE;
  if (error.code === 'EACCES' || error.code === 'EPERM') return STATUS_CODE.PERMISSION_DENIED;
  return STATUS_CODE.FAILURE;
}

/** Converts SFTP's open flags to those of open(2). */
function nodeFlags(flags: number): number {
  const { constants: c } = fs;
  const reads = (flags & OPEN_MODE.READ) !== 0;
  const writes = (flags & (OPEN_MODE.WRITE | OPEN_MODE.APPEND)) !== 0;
  return (
    (writes ? (reads ? c.O_RDWR : c.O_WRONLY) : c.O_RDONLY) |
    (flags & OPEN_MODE.APPEND ? c.O_APPEND : 0) |
    (flags & OPEN_MODE.CREAT ? c.O_CREAT : 0) |
    (flags & OPEN_MODE.TRUNC ? c.O_TRUNC : 0) |
    (flags & OPEN_MODE.EXCL ? c.O_EXCL : 0)
  );
}
