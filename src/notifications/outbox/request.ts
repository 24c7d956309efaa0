import { randomUUID } from 'node:crypto'
import { isPathNotFound } from '../../core/errors.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { REQUESTS } from './paths.ts'

/** What an operator asks of whoever delivers. */
export type OutboxRequest =
  /** Delivers what is kept of the log again, from a time on, and switches the endpoint on. */
  | { readonly kind: 'replay'; readonly endpoint: string; readonly since: string }
  /** Tries dead letters again: all of an endpoint's, or one. */
  | { readonly kind: 'revive'; readonly endpoint: string; readonly id?: string | undefined }
  /** Forgets what waits for an endpoint. */
  | { readonly kind: 'drop'; readonly endpoint: string }

export interface PendingRequest {
  readonly path: string
  readonly request: OutboxRequest
}

type RequestStorage = Pick<StorageDriver, 'get' | 'put' | 'list'>

/** @returns the path under which it stands until it is done */
export async function writeRequest(storage: RequestStorage, request: OutboxRequest): Promise<string> {
  const path = `${REQUESTS}/${Date.now()}-${randomUUID()}`
  await storage.put(path, Buffer.from(JSON.stringify(request)))
  return path
}

export async function* readRequests(storage: RequestStorage): AsyncIterable<PendingRequest> {
  for await (const { name } of storage.list(REQUESTS)) {
    const path = `${REQUESTS}/${name}`
    try {
      yield { path, request: JSON.parse(Buffer.from(await storage.get(path)).toString()) as OutboxRequest }
    } catch (error) {
      if (!isPathNotFound(error) && !(error instanceof SyntaxError)) throw error
    }
  }
}
