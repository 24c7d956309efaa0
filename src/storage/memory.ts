import { randomUUID } from 'node:crypto'
import { StorageError } from '../core/errors.ts'
import type {
  AppendOptions,
  Entry,
  Fence,
  FileInfo,
  FileVersion,
  FileWriter,
  IncompleteUpload,
  ListOptions,
  MoveOptions,
  PutOptions,
  ReadOptions,
  ScannedFile,
  ScanOptions,
  State,
  StorageDriver,
} from '../core/storage-driver.ts'
import { MemoryFile } from './memory/file.ts'
import { MemoryTree } from './memory/tree.ts'
import { requireFolder, requirePath } from './path.ts'

/** Files in memory, lost with the process: for trials and tests. Implements the whole port, except
 *  durability. */
export class MemoryDriver implements StorageDriver {
  readonly name = 'inmemory'
  readonly scansFolders = true
  readonly #tree = new MemoryTree()
  readonly #fences = new Set<Fence>()
  #versions = 0

  async stat(path: string): Promise<FileInfo> {
    const node = this.#tree.find(requirePath(path))
    if (node === undefined) throw new StorageError('PATH_NOT_FOUND', { path })
    if (node instanceof MemoryFile) return { kind: 'file', size: node.size, modifiedAt: node.modifiedAt }
    return { kind: 'folder' }
  }

  async get(path: string): Promise<Uint8Array> {
    return contentOf(this.#require(path))
  }

  async *read(path: string, { range, signal, version }: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const file = this.#require(path, version)
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
    this.#tree.put(requirePath(path), fileOf(content))
  }

  async append(path: string, { offset, version }: AppendOptions = {}): Promise<FileWriter> {
    const found = this.#tree.find(requirePath(path))
    const existing = found instanceof MemoryFile ? found : undefined
    const isOther = version !== undefined && existing?.version !== version
    if (isOther || (offset ?? existing?.size ?? 0) !== (existing?.size ?? 0)) {
      throw new StorageError('OFFSET_INVALID', { path })
    }
    const file = existing ?? new MemoryFile()
    if (existing === undefined) this.#tree.put(path, file)
    return new MemoryWriter(path, { file, version: this.#newVersion() })
  }

  async *list(folder: string, { after = '' }: ListOptions = {}): AsyncIterable<Entry> {
    for (const [name, node] of this.#tree.children(requireFolder(folder))) {
      if (name > after) yield { name, kind: node instanceof MemoryFile ? 'file' : 'folder' }
    }
  }

  async move(from: string, to: string, { replace = true, version }: MoveOptions = {}): Promise<boolean> {
    const file = this.#require(from, version)
    if (!replace && this.#tree.find(requirePath(to)) instanceof MemoryFile) return false
    this.#tree.put(requirePath(to), file)
    file.writer = undefined
    if (from !== to) this.#tree.remove(from)
    return true
  }

  async copy(from: string, to: string): Promise<void> {
    const content = contentOf(this.#require(from))
    if (from !== to) this.#tree.put(requirePath(to), fileOf(content))
  }

  async delete(path: string): Promise<void> {
    this.#tree.remove(requirePath(path))
  }

  async settle(path: string): Promise<void> {
    requirePath(path)
  }

  async getState(path: string): Promise<State | undefined> {
    const file = this.#tree.find(requirePath(path))
    if (!(file instanceof MemoryFile)) return undefined
    return { content: contentOf(file), version: file.version as FileVersion }
  }

  async swapState(
    path: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined> {
    const standing = this.#tree.find(requirePath(path))
    if ((standing instanceof MemoryFile ? standing.version : undefined) !== expected) return undefined
    const file = fileOf(content)
    file.version = this.#newVersion()
    this.#tree.put(path, file)
    return file.version
  }

  async *scan(
    folder: string,
    { after = '', enters }: ScanOptions = {},
  ): AsyncIterable<readonly ScannedFile[]> {
    const top = requireFolder(folder)
    let page: ScannedFile[] = []
    for (const { path, file } of this.#tree.files(top, enters)) {
      if (path <= after) continue
      page.push({ path, size: file.size, modifiedAt: file.modifiedAt })
      if (page.length < SCAN_PAGE) continue
      yield page
      page = []
    }
    if (page.length > 0) yield page
  }

  async openFence(): Promise<Fence> {
    const fence = randomUUID()
    this.#fences.add(fence)
    return fence
  }

  async deleteFenced(paths: readonly string[], fence: Fence): Promise<void> {
    for (const path of paths) requirePath(path)
    if (!this.#fences.has(fence)) throw new StorageError('FENCE_CLOSED', { path: paths[0] ?? '/' })
    for (const path of paths) this.#tree.remove(path)
  }

  async closeFence(fence: Fence): Promise<void> {
    this.#fences.delete(fence)
  }

  async redirectUrl(path: string): Promise<undefined> {
    requirePath(path)
  }

  async *incompleteUploads(): AsyncIterable<IncompleteUpload> {}

  async close(): Promise<void> {}

  #require(path: string, version?: FileVersion): MemoryFile {
    const node = this.#tree.find(requirePath(path))
    if (!(node instanceof MemoryFile)) throw new StorageError('PATH_NOT_FOUND', { path })
    if (version !== undefined && node.version !== version) throw new StorageError('OFFSET_INVALID', { path })
    return node
  }

  #newVersion(): FileVersion {
    return String(++this.#versions)
  }
}

/** Files in a page of a scan. */
const SCAN_PAGE = 1_000

function fileOf(content: Uint8Array): MemoryFile {
  const file = new MemoryFile()
  file.append(Buffer.from(content))
  return file
}

function contentOf(file: MemoryFile): Uint8Array {
  return Buffer.concat([...file.chunks({ start: 0, end: file.size - 1 })])
}

class MemoryWriter implements FileWriter {
  readonly #path: string
  readonly #file: MemoryFile
  readonly #version: FileVersion
  #size: number
  #isClosed = false

  constructor(path: string, { file, version }: { file: MemoryFile; version: FileVersion }) {
    this.#path = path
    this.#file = file
    this.#version = version
    this.#size = file.size
    file.version = undefined
    file.writer = this
  }

  get size(): number {
    return this.#size
  }

  get version(): FileVersion | undefined {
    return this.#isClosed && this.#file.version === this.#version ? this.#version : undefined
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (!this.#mayWrite()) return Promise.reject(this.#refusal())
    this.#file.append(chunk)
    this.#size += chunk.byteLength
    return undefined
  }

  async sync(): Promise<void> {
    if (!this.#mayWrite()) throw this.#refusal()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    const isLost = !this.#mayWrite()
    this.#isClosed = true
    if (isLost) throw new StorageError('OFFSET_INVALID', { path: this.#path })
    this.#file.version = this.#version
    this.#file.writer = undefined
  }

  #mayWrite(): boolean {
    return !this.#isClosed && this.#file.writer === this
  }

  #refusal(): StorageError {
    const path = this.#path
    if (!this.#isClosed) return new StorageError('OFFSET_INVALID', { path })
    return new StorageError('BACKEND_FAILED', { path, message: 'the writer is closed' })
  }
}

function throwIfAborted(path: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new StorageError('ABORTED', { path, cause: signal.reason })
}
