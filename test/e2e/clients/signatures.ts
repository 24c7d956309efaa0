import type { RegistryClient } from '../../support/registry-client.ts'

/** An entry of the registry's list of signatures. */
export interface ListedSignature {
  readonly kind: string
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly manifest?: string
  readonly annotations: Readonly<Record<string, string>>
  readonly pushedAt: string
}

export async function listedSignatures(
  client: RegistryClient,
  { repository, digest }: { repository: string; digest: string },
): Promise<readonly ListedSignature[]> {
  const path = `/v2/${repository}/_entrepot/signatures/${digest}`
  const answer = await client.request(path, { expect: [200] })
  return ((await answer.json()) as { signatures: ListedSignature[] }).signatures
}
