/** What was deleted, and can be restored; the project's docs/lifecycle.md describes it. */
import { request } from './http.ts'

/** Restores a tag with the image that it named. */
export async function restore(
  repository: string,
  { tag, digest }: { tag: string; digest: string },
): Promise<void> {
  await request(`v2/${repository}/_entrepot/trash/restore`, { method: 'POST', body: { tag, digest } })
}
