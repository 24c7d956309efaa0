/** Logins of the bench. */
import { LOGIN } from './registries.ts'

/** The header `Authorization` of a name and a password. RFC 7617. */
export function basic({ name, password }: { name: string; password: string }): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}

/** A token from the registry on the port, for everything in a repository. */
export async function bearer(port: number, repository: string): Promise<string> {
  const scope = encodeURIComponent(`repository:${repository}:pull,push`)
  const url = `http://127.0.0.1:${port}/auth/token?scope=${scope}`
  const answer = await fetch(url, { headers: { Authorization: basic(LOGIN) } })
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`)
  const { token } = (await answer.json()) as { token: string }
  return `Bearer ${token}`
}
