import { StorageError } from '../core/errors.ts'
import type {
  AppendOptions,
  Entry,
  FileInfo,
  FileWriter,
  Leftover,
  ListOptions,
  MoveOptions,
  PutOptions,
  ReadOptions,
  StorageDriver,
} from '../core/storage-driver.ts'
import { MemoryFile } from './memory/file.ts'
import { MemoryTree } from './memory/tree.ts'
import { requireFolder, requirePath } from './path.ts'

/** Files in memory, gone with the process: for trying things out and for tests. It keeps every promise of the port but
 *  the one about power cuts. */
export class MemoryDriver implements StorageDriver {
  readonly name = 'inmemory'
  readonly #tree = new MemoryTree()

  async stat(path: string): Promise<FileInfo> {
    const node = this.#tree.find(requirePath(path))
    if (node === undefined) throw new StorageError('PATH_NOT_FOUND', { path })
    if (node instanceof MemoryFile) return { kind: 'file', size: node.size, modifiedAt: node.modifiedAt }
    return { kind: 'folder' }
  }

  async get(path: string): Promise<Uint8Array> {
    const file = this.#require(path)
    return Buffer.concat([...file.chunks({ start: 0, end: file.size - 1 })])
  }

  async *read(path: string, { range, signal }: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const file = this.#require(path)
    const { start, end } = range ?? { start: 0, end: file.size - 1 }
    if (range !== undefined && !(start >= 0 && start <= end && end < file.size)) {
      throw new StorageError('OFFSET_INVALID', { path })
    }
    throwIfAborted(path, signal)
    for (const chunk of file.chunks({ start, end })) {
      yield chunk
      throwIfAborted(path, signal)
    }
  }

  async put(path: string, content: Uint8Array, { after }: PutOptions = {}): Promise<void> {
    await after
    const file = new MemoryFile()
    file.append(Buffer.from(content))
    this.#tree.put(requirePath(path), file)
  }

  async append(path: string, { offset }: AppendOptions = {}): Promise<FileWriter> {
    const existing = this.#tree.find(requirePath(path))
    const size = existing instanceof MemoryFile ? existing.size : 0
    if (offset !== undefined && offset !== size) throw new StorageError('OFFSET_INVALID', { path })
    if (existing instanceof MemoryFile) return new MemoryWriter(path, existing)
    const file = new MemoryFile()
    this.#tree.put(path, file)
    return new MemoryWriter(path, file)
  }

  async *list(folder: string, { after = '' }: ListOptions = {}): AsyncIterable<Entry> {
    for (const [name, node] of this.#tree.children(requireFolder(folder))) {
      if (name > after) yield { name, kind: node instanceof MemoryFile ? 'file' : 'folder' }
    }
  }

  async move(from: string, to: string, { replace = true, size }: MoveOptions = {}): Promise<boolean> {
    const file = this.#require(from)
    if (size !== undefined && file.size !== size) throw new StorageError('OFFSET_INVALID', { path: from })
    if (!replace && this.#tree.find(requirePath(to)) instanceof MemoryFile) return false
    this.#tree.put(requirePath(to), file)
    if (from !== to) this.#tree.remove(from)
    return true
  }

  async delete(path: string): Promise<void> {
    this.#tree.remove(requirePath(path))
  }

  async redirectUrl(path: string): Promise<undefined> {
    requirePath(path)
  }

  async *leftovers(): AsyncIterable<Leftover> {}

  async close(): Promise<void> {}

  #require(path: string): MemoryFile {
    const node = this.#tree.find(requirePath(path))
    if (node instanceof MemoryFile) return node
    throw new StorageError('PATH_NOT_FOUND', { path })
  }
}

class MemoryWriter implements FileWriter {
  readonly #path: string
  readonly #file: MemoryFile
  #size: number
  #isClosed = false

  constructor(path: string, file: MemoryFile) {
    this.#path = path
    this.#file = file
    this.#size = file.size
  }

  get size(): number {
    return this.#size
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#isClosed) return Promise.reject(this.#closed())
    this.#file.append(chunk)
    this.#size += chunk.byteLength
    return undefined
  }

  async sync(): Promise<void> {
    if (this.#isClosed) throw this.#closed()
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  #closed(): StorageError {
    return new StorageError('BACKEND_FAILED', { path: this.#path, message: 'the writer is closed' })
  }
}

function throwIfAborted(path: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new StorageError('ABORTED', { path, cause: signal.reason })
}
