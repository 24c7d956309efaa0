import * as z from 'zod'
import type { Order, Position } from '../../../core/catalog/catalog-index.ts'
import { RegistryError } from '../../../core/errors.ts'

const STANDARD_COUNT = 50
const MAX_COUNT = 200
const MAX_SEARCH_LENGTH = 200

/** The parameters of a list of the extension API.
 *  @throws RegistryError REQUEST_INVALID, PAGINATION_NUMBER_INVALID */
export class ListParameters<Key extends string> {
  readonly count: number
  readonly words: readonly string[]
  readonly order: Order<Key>
  readonly after: Position | undefined
  readonly #query: URLSearchParams

  /** @param order its keys, and the one that is used if none is asked for */
  constructor(query: URLSearchParams, { keys, standard }: { keys: readonly Key[]; standard: string }) {
    this.#query = query
    this.count = countOf(query.get('n'))
    this.words = wordsOf(query.get('q'))
    this.order = orderOf(query.get('sort') || standard, keys)
    this.after = this.#position(query.get('cursor'))
  }

  /** The cursor of a position: the next page of this list begins behind it. */
  cursor(position: Position | undefined): string | null {
    if (position === undefined) return null
    const { value, repository, tag } = position
    return Buffer.from(JSON.stringify([this.#list, value, repository, tag])).toString('base64url')
  }

  /** A cursor belongs to one list. */
  get #list(): string {
    const others = ['q', 'sort', 'under', 'digest', 'tagged'].map((name) => this.#query.get(name) ?? '')
    return others.join('\n')
  }

  #position(cursor: string | null): Position | undefined {
    if (!cursor) return undefined
    const parsed = position.safeParse(parseCursor(cursor))
    if (!parsed.success) throw invalid('cursor', 'cursor is not one of this registry')
    const [list, value, repository, tag] = parsed.data
    if (list !== this.#list) throw invalid('cursor', 'cursor belongs to a list with other parameters')
    return { value, repository, tag }
  }
}

const position = z.tuple([
  z.string(),
  z.union([z.string(), z.number(), z.null()]),
  z.string().max(255),
  z.string().max(255),
])

function parseCursor(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}

function countOf(asked: string | null): number {
  if (!asked) return STANDARD_COUNT
  if (!/^[1-9]\d{0,8}$/.test(asked)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', {
      message: 'n is a whole number, 1 or more',
      detail: { n: asked.slice(0, 100) },
    })
  }
  return Math.min(Number(asked), MAX_COUNT)
}

/** The words of a search, in lower case. */
export function wordsOf(text: string | null): string[] {
  if (!text) return []
  if (text.length > MAX_SEARCH_LENGTH) throw invalid('q', `q has at most ${MAX_SEARCH_LENGTH} characters`)
  return text.toLowerCase().split(/\s+/).filter(Boolean)
}

function orderOf<Key extends string>(asked: string, keys: readonly Key[]): Order<Key> {
  const descending = asked.startsWith('-')
  const key = keys.find((one) => one === asked.slice(descending ? 1 : 0))
  if (key === undefined)
    throw invalid('sort', `sort is one of ${keys.join(', ')}, with or without - before it`)
  return { key, descending }
}

export function invalid(parameter: string, message: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', { message, detail: { parameter } })
}
