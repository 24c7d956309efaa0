/** A person's keys for the command line; the project's docs/api.md describes them. */
import { getJson, request } from './http.ts'

export interface Key {
  readonly id: string
  readonly name: string
  readonly repositories: readonly string[]
  readonly actions: readonly string[]
  readonly createdAt: string
  readonly expiresAt: string
  readonly lastUsedAt: string | null
}

const PATH = 'v2/_entrepot/user/keys'

export async function listKeys(signal?: AbortSignal): Promise<readonly Key[]> {
  return (await getJson<{ keys: Key[] }>(PATH, signal)).keys
}

export interface NewKey {
  readonly name: string
  readonly days: number
  readonly repositories?: readonly string[]
  readonly actions?: readonly string[]
}

/** @returns the secret, which is shown once */
export async function createKey(wanted: NewKey): Promise<string> {
  return (await (await request(PATH, { method: 'POST', body: wanted })).json()).secret
}

export async function deleteKey(id: string): Promise<void> {
  await request(`${PATH}?id=${encodeURIComponent(id)}`, { method: 'DELETE' })
}
