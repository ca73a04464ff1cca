// Files out of a drop or a file input, folders walked, each with the path that it has below what was chosen.

export interface ChosenFile {
  /** Relative, with `/`; no leading slash. */
  path: string;
  file: File;
}

/** A drop of more files than this is cut off; the person is told. */
export const FILES_MAX = 20_000;

/**
 * The files of a drop. Must be called inside the `drop` event: the browser empties the DataTransfer when it returns,
 * so entries are taken first and read afterwards.
 */
export async function filesOfDrop(transfer: DataTransfer): Promise<ChosenFile[]> {
  const entries = [...transfer.items]
    .map((item) => (item.kind === "file" ? item.webkitGetAsEntry() : null))
    .filter((entry) => entry !== null);
  if (entries.length === 0)
    return [...transfer.files].map((file) => ({ path: file.name.toWellFormed(), file }));
  const found: ChosenFile[] = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

/** The files of an `<input type=file>`, with folders where it has `webkitdirectory`. */
export function filesOfInput(list: FileList): ChosenFile[] {
  return [...list]
    .slice(0, FILES_MAX)
    .map((file) => ({ path: (file.webkitRelativePath || file.name).toWellFormed(), file }));
}

async function walk(entry: FileSystemEntry, parent: string, found: ChosenFile[]): Promise<void> {
  if (found.length >= FILES_MAX) return;
  // A name of the file system may hold a lone surrogate, which no key can.
  const path = parent + entry.name.toWellFormed();
  if (isFile(entry)) {
    found.push({ path, file: await new Promise<File>((resolve, reject) => entry.file(resolve, reject)) });
  } else if (isDirectory(entry)) {
    for await (const child of children(entry)) await walk(child, `${path}/`, found);
  }
}

/** `readEntries` gives at most 100 at a time in Chromium, and an empty array at the end. */
async function* children(directory: FileSystemDirectoryEntry): AsyncGenerator<FileSystemEntry> {
  const reader = directory.createReader();
  while (true) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (batch.length === 0) return;
    yield* batch;
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isDirectory(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}
