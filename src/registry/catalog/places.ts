import { isRepositoryName } from '../../core/reference.ts'
import type { RepositoryDirectory } from './repository-directory.ts'

/** A position in the order of names: a folder's own name, or all names below it. */
export interface Place {
  readonly folder: FoundFolder
  readonly isBelow: boolean
}

export type Places = PlacesAmong | AsyncGenerator<Place, undefined>

/** A folder that is opened once for both of its positions. */
export class FoundFolder {
  readonly name: string
  opening: Promise<OpenedFolder> | undefined = undefined
  opened: RepositoryDirectory | undefined = undefined

  constructor(name: string) {
    this.name = name
  }
}

export interface OpenedFolder extends FoundFolder {
  opened: RepositoryDirectory
}

export function isOpened(folder: FoundFolder): folder is OpenedFolder {
  return folder.opened !== undefined
}

/** The positions among children that are known. */
export class PlacesAmong {
  readonly #children: Iterator<string>
  readonly #order: PlaceOrder
  #isOver = false

  constructor(children: Iterable<string>, order: PlaceOrder) {
    this.#children = children[Symbol.iterator]()
    this.#order = order
  }

  next(): Place | undefined {
    for (;;) {
      const place = this.#order.take()
      if (place !== undefined || this.#isOver) return place
      const { value, done } = this.#children.next()
      if (done) {
        this.#isOver = true
        this.#order.end()
      } else this.#order.add(value)
    }
  }

  return(_: undefined): void {
    this.#children.return?.()
  }
}

export async function* listedPlaces(
  children: AsyncIterable<string>,
  order: PlaceOrder,
): AsyncGenerator<Place, undefined> {
  for await (const child of children) {
    order.add(child)
    for (let place = order.take(); place !== undefined; place = order.take()) yield place
  }
  order.end()
  for (let place = order.take(); place !== undefined; place = order.take()) yield place
}

/** Puts the positions of a folder's children into the order of full names. Names below `a` come after `a-b` and
 *  `a.b`; pending are only names that are prefixes of each other. */
export class PlaceOrder {
  readonly #prefix: string
  readonly #after: string
  /** All names with the prefix are behind `after`. */
  readonly #isBehind: boolean
  readonly #pending: FoundFolder[] = []
  /** The positions up to the last child that was added, and how many of them are taken. */
  readonly #ready: Place[] = []
  #taken = 0

  /** @param options.before names before the children, below which there may be names after `after` */
  constructor({ prefix, after, before }: { prefix: string; after: string; before: readonly string[] }) {
    this.#prefix = prefix
    this.#after = after
    this.#isBehind = prefix > after
    for (const name of before) {
      const folder = new FoundFolder(prefix + name)
      if (isRepositoryName(folder.name)) this.#wait(folder)
    }
  }

  /** The next position up to the last child that was added. */
  take(): Place | undefined {
    if (this.#taken < this.#ready.length) return this.#ready[this.#taken++]
    this.#ready.length = this.#taken = 0
    return undefined
  }

  /** Adds the next child. */
  add(child: string): void {
    const folder = new FoundFolder(this.#prefix + child)
    const { name } = folder
    const pending = this.#pending
    while (pending.length > 0 && isBehindAllBelow(name, (pending.at(-1) as FoundFolder).name))
      this.#goBelow(pending.pop() as FoundFolder)
    if (!isRepositoryName(name)) return
    if (this.#isBehind || name > this.#after) this.#ready.push({ folder, isBelow: false })
    this.#wait(folder)
  }

  /** Adds the positions after all children. */
  end(): void {
    for (const folder of this.#pending.reverse()) this.#goBelow(folder)
  }

  #goBelow(folder: FoundFolder): void {
    if (folder.opened?.children?.length !== 0) this.#ready.push({ folder, isBelow: true })
  }

  #wait(folder: FoundFolder): void {
    if (this.#isBehind || mayHoldBehind(`${folder.name}/`, this.#after)) this.#pending.push(folder)
  }
}

/** True if `name`, which is behind `other`, is also behind all names below that. */
function isBehindAllBelow(name: string, other: string): boolean {
  return !name.startsWith(other) || name.charCodeAt(other.length) > SLASH
}

const SLASH = 0x2f

/** The prefixes of a name, shortest first, and the name itself. */
export function prefixesOf(name: string): string[] {
  return Array.from({ length: name.length }, (_, index) => name.slice(0, index + 1))
}

/** False if all names with the prefix are before `after`. */
function mayHoldBehind(prefix: string, after: string): boolean {
  return prefix > after || after.startsWith(prefix)
}
