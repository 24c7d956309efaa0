import { RegistryError } from '../../core/errors.ts'
import { publicPath } from '../reply/location.ts'
import type { RequestContext } from '../request-context.ts'

export interface PageRequest {
  /** Requested number of names, limited to the maximum. */
  readonly count: number
  readonly after: string | undefined
}

/** The `n` and `last` of a list. OCI Distribution Specification 1.1, "Listing Tags".
 *  @throws RegistryError PAGINATION_NUMBER_INVALID */
export function pageRequest(query: URLSearchParams, limits: { standard: number; max: number }): PageRequest {
  const asked = query.get('n') || null
  if (asked !== null && !/^\d{1,15}$/.test(asked)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', {
      message: 'n is a whole number, 0 or more',
      detail: { n: asked.slice(0, 100) },
    })
  }
  const count = asked === null ? limits.standard : Number(asked)
  return { count: Math.min(count, limits.max), after: query.get('last') ?? undefined }
}

export interface PageOfNames {
  readonly names: string[]
  /** Start of the next page; undefined on the last. */
  readonly next: string | undefined
}

/** Takes one page of the names that the client may see, and reads one name more to know if another page follows. */
export async function takePage<Name extends string>(
  names: AsyncIterable<Name>,
  count: number,
  isSeen: (name: Name) => boolean = () => true,
): Promise<PageOfNames> {
  if (count === 0) return { names: [], next: undefined }
  const taken: string[] = []
  for await (const name of names) {
    if (!isSeen(name)) continue
    if (taken.length === count) return { names: taken, next: taken.at(-1) }
    taken.push(name)
  }
  return { names: taken, next: undefined }
}

export interface NextPage {
  readonly path: string
  /** Start of the next page; undefined on the last. */
  readonly next: string | undefined
  /** Requested number; infinite if not stated. */
  readonly count: number
  /** The filter of the list. */
  readonly artifactType?: string
}

/** The `Link` header of the next page, RFC 8288. A path, also if locations are absolute: clients resolve
 *  it. */
export function linkToNext(
  context: RequestContext,
  { path, next, count, artifactType }: NextPage,
): { link?: string } {
  if (next === undefined) return {}
  const query = new URLSearchParams({ last: next })
  if (Number.isFinite(count)) query.set('n', String(count))
  if (artifactType !== undefined) query.set('artifactType', artifactType)
  return { link: `<${publicPath(context.settings)}${path}?${query}>; rel="next"` }
}
