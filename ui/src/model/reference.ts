/** References to images, and the page's own paths. */
import { PAGE } from '../api/http.ts'

/** A repository, and a tag or a digest in it if one is named. */
export interface Reference {
  readonly repository: string
  readonly tag?: string
  readonly digest?: string
}

const REFERENCE =
  /^([a-z0-9][a-z0-9._/-]*)(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127})|@([a-z0-9+._-]+:[A-Za-z0-9=_-]+))?$/

/** Parses `name`, `name:tag` or `name@digest`. */
export function parseReference(text: string): Reference | undefined {
  const [, repository, tag, digest] = REFERENCE.exec(text) ?? []
  if (repository === undefined) return undefined
  return { repository, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) }
}

export function formatReference({ repository, tag, digest }: Reference): string {
  if (digest !== undefined) return `${repository}@${digest}`
  return tag === undefined ? repository : `${repository}:${tag}`
}

/** The path of a view of the page. */
export function pathTo(view: string, query: Readonly<Record<string, string | undefined>> = {}): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]))
  const search = new URLSearchParams(given).toString()
  return PAGE + view + (search === '' ? '' : `?${search}`)
}

/** The path of a repository or an image. */
export function pathToReference(reference: Reference, query = {}): string {
  return pathTo(`r/${formatReference(reference)}`, query)
}
