import { StorageError } from '../../core/errors.ts'
import { MemoryFile } from './file.ts'

export type MemoryNode = MemoryFile | MemoryFolder
export type MemoryFolder = Map<string, MemoryNode>

/** Files by path. A folder exists while a file exists below it. */
export class MemoryTree {
  readonly #root: MemoryFolder = new Map()

  find(path: string): MemoryNode | undefined {
    let node: MemoryNode | undefined = this.#root
    for (const name of namesOf(path)) {
      if (!(node instanceof Map)) return undefined
      node = node.get(name)
    }
    return node
  }

  /** Stores a file.
   *  @throws StorageError PATH_INVALID if a folder is at the path, or a file above it */
  put(path: string, file: MemoryFile): void {
    const names = namesOf(path)
    const last = names.pop()!
    const folder = this.#makeFolder(names, path)
    if (folder.get(last) instanceof Map) throw new StorageError('PATH_INVALID', { path })
    folder.set(last, file)
  }

  /** Removes a file or folder, and ends running writers. */
  remove(path: string): void {
    endWriting(this.find(path))
    removeBelow(this.#root, namesOf(path))
  }

  /** The children in byte order of their names. */
  children(path: string): [string, MemoryNode][] {
    const folder = this.find(path)
    if (!(folder instanceof Map)) return []
    return [...folder].sort(([one], [other]) => (one < other ? -1 : 1))
  }

  /** Every file below a folder, in byte order of the paths: a folder counts as `name/`. */
  *files(
    folder: string,
    enters?: (folder: string) => boolean,
  ): Generator<{ path: string; file: MemoryFile }> {
    const sorted = this.children(folder)
      .map(([name, node]) => ({ key: node instanceof MemoryFile ? name : `${name}/`, name, node }))
      .sort((one, other) => (one.key < other.key ? -1 : 1))
    for (const { name, node } of sorted) {
      const path = `${folder}/${name}`
      if (node instanceof MemoryFile) yield { path, file: node }
      else if (enters?.(path) !== false) yield* this.files(path, enters)
    }
  }

  /** Creates missing folders once it is certain that all can be created, so that no empty one is left. */
  #makeFolder(names: string[], path: string): MemoryFolder {
    let folder = this.#root
    for (const [index, name] of names.entries()) {
      const next = folder.get(name)
      if (next instanceof MemoryFile) throw new StorageError('PATH_INVALID', { path })
      if (next === undefined) return makeAll(folder, names.slice(index))
      folder = next
    }
    return folder
  }
}

function makeAll(top: MemoryFolder, names: string[]): MemoryFolder {
  let folder = top
  for (const name of names) {
    const made: MemoryFolder = new Map()
    folder.set(name, made)
    folder = made
  }
  return folder
}

function endWriting(node: MemoryNode | undefined): void {
  if (node instanceof MemoryFile) node.writer = undefined
  else for (const child of node?.values() ?? []) endWriting(child)
}

function removeBelow(folder: MemoryFolder, [name, ...rest]: string[]): void {
  if (name === undefined) return
  const child = folder.get(name)
  if (rest.length === 0) {
    folder.delete(name)
  } else if (child instanceof Map) {
    removeBelow(child, rest)
    if (child.size === 0) folder.delete(name)
  }
}

function namesOf(path: string): string[] {
  return path === '' ? [] : path.slice(1).split('/')
}
