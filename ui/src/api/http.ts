/** Requests to the registry that serves this page. */

/** Where the page is, with a slash at its end, such as `/ui/`; the document's base says it. */
export const PAGE = new URL(document.baseURI).pathname

/** Where the registry is: `/`, or its prefix with slashes at both ends. */
export const REGISTRY = new URL('..', document.baseURI).pathname

/** The registry as image references name it: a host, with a port if it is not the usual one. */
export const HOST = location.host + REGISTRY.replace(/\/$/, '')

export class ApiError extends Error {
  /** 0 if there was no response. */
  readonly status: number
  /** The error code of the specification, such as `DENIED`; empty if the response has none. */
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

export interface RequestOptions {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'DELETE' | 'OPTIONS'
  readonly accept?: string
  /** Sent as JSON. */
  readonly body?: unknown
  readonly signal?: AbortSignal | undefined
}

/** @param path below the registry, without a leading slash
 *  @throws ApiError unless the status is 2xx */
export async function request(path: string, options: RequestOptions = {}): Promise<Response> {
  const { method = 'GET', accept = 'application/json', body, signal } = options
  const headers: Record<string, string> = { accept }
  if (body !== undefined) headers['content-type'] = 'application/json'
  const response = await fetch(REGISTRY + path, {
    method,
    headers,
    signal: signal ?? null,
    body: body === undefined ? null : JSON.stringify(body),
  }).catch((error: unknown) => {
    if (signal?.aborted) throw error
    throw new ApiError(0, '', 'The registry cannot be reached.')
  })
  if (!response.ok) throw await errorOf(response)
  return response
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request(path, { signal })).json()
}

async function errorOf(response: Response): Promise<ApiError> {
  const { status } = response
  try {
    const { errors } = (await response.json()) as { errors?: { code?: string; message?: string }[] }
    const [first] = errors ?? []
    return new ApiError(status, String(first?.code ?? ''), String(first?.message ?? `HTTP ${status}`))
  } catch {
    return new ApiError(status, '', `HTTP ${status}`)
  }
}

/** The `n` and `last` of the page after this one, as the `Link` header has them; undefined on the last page.
 *  RFC 8288. */
export function nextPage(response: Response): URLSearchParams | undefined {
  const [, target] = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(response.headers.get('link') ?? '') ?? []
  return target === undefined ? undefined : new URL(target, location.href).searchParams
}

/** Maps with some requests at a time, in order; stops at the first error. */
export async function mapSome<T, U>(
  items: readonly T[],
  concurrency: number,
  map: (item: T) => Promise<U>,
): Promise<U[]> {
  const results = new Array<U>(items.length)
  let next = 0
  const work = async () => {
    while (next < items.length) {
      const index = next++
      results[index] = await map(items[index] as T)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  return results
}
