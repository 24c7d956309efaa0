/** Looks whether a registry has kept its promises, once everybody has ended. */
import { eachInTurns } from '../../support/in-turns.ts'
import { sha256 } from '../../support/oci-image.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import type { Acknowledged, SettledState } from './acknowledged.ts'
import type { Findings } from './findings.ts'

interface Check {
  readonly client: RegistryClient
  readonly acknowledged: Acknowledged
  readonly findings: Findings
}

/** Reads everything back from one process, under every name that somebody has asked for or that it lists. */
export async function checkProcess(
  url: string,
  parts: Pick<Check, 'acknowledged' | 'findings'>,
): Promise<void> {
  const check = { ...parts, client: new RegistryClient(url) }
  await checkBlobs(check)
  for (const [repository, state] of check.acknowledged.settled) await checkState(check, repository, state)
  for (const repository of await check.client.catalog()) await checkListed(check, repository)
}

async function checkBlobs({ client, acknowledged, findings }: Check): Promise<void> {
  await eachInTurns(acknowledged.blobs, async ({ repository, digest }) => {
    const bytes = await client.blob(repository, digest)
    const name = `${repository}@${digest}`
    if (bytes !== undefined && sha256(bytes) !== digest) findings.report(`other bytes in the end: ${name}`)
    if (bytes === undefined && acknowledged.isPromised(repository, digest))
      findings.report(`acknowledged, and not there in the end: ${name}`)
  })
}

async function checkState(
  { client, findings }: Check,
  repository: string,
  { tags, contents, deleted }: SettledState,
): Promise<void> {
  const listed = await client.tags(repository)
  const expected = [...tags.keys()].sort()
  if (String(listed) !== String(expected)) findings.report(`${repository} lists ${listed}, not ${expected}`)
  const expectDigest = async (name: string, expected: string | undefined) => {
    const [kind, reference = ''] = name.split('/')
    const read =
      kind === 'blobs' ? client.blob(repository, reference) : client.manifest(repository, reference)
    const bytes = await read
    const found = bytes && sha256(bytes)
    if (found !== expected?.split('/')[1])
      findings.report(`${name} of ${repository} is ${found} in the end, not ${expected}`)
  }
  await eachInTurns(tags, ([tag, manifest]) => expectDigest(`manifests/${tag}`, manifest))
  await eachInTurns(contents, (name) => expectDigest(name, name))
  await eachInTurns(deleted, (name) => expectDigest(name, undefined))
}

async function checkListed({ client, findings }: Check, repository: string): Promise<void> {
  for (const tag of (await client.tags(repository)) ?? [])
    if ((await client.manifest(repository, tag)) === undefined)
      findings.report(`${repository}:${tag} is listed, and names nothing`)
}
