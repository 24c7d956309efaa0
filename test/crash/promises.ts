/** Asks a registry that came back from a crash whether it kept its promises. */
import { expect } from 'vitest'
import { eachInTurns } from '../support/in-turns.ts'
import { sha256 } from '../support/oci-image.ts'
import type { RegistryClient } from '../support/registry-client.ts'
import { type Ledger, type OpenUpload, subject } from './ledger.ts'
import type { Register } from './register.ts'

interface Check {
  readonly client: RegistryClient
  /** Everything, or only what was written to since the last check. */
  readonly everything: boolean
}

/** Every acknowledged blob, manifest and tag is there and hashes right, and everything else is as it may be. */
export async function expectKept(ledger: Ledger, { client, everything }: Check): Promise<void> {
  const { repository } = ledger
  const due = <Value>(registers: Map<string, Register<Value>>) =>
    [...registers].filter(([, register]) => everything || register.touched)
  await eachInTurns(due(ledger.blobs), async ([digest, register]) => {
    const bytes = await client.blob(repository, digest)
    expectHash(bytes, digest)
    settle(register, { found: bytes !== undefined, name: `${repository} blob ${digest}` })
  })
  await eachInTurns(due(ledger.manifests), async ([digest, register]) => {
    const bytes = await client.manifest(repository, digest)
    expectHash(bytes, digest)
    settle(register, { found: bytes !== undefined, name: `${repository} manifest ${digest}` })
  })
  await eachInTurns(due(ledger.tags), async ([tag, register]) => {
    const bytes = await client.manifest(repository, tag)
    settle(register, { found: bytes && sha256(bytes), name: `${repository} tag ${tag}` })
  })
  await expectTagsListed(ledger, client)
  await expectReferrersListed(ledger, client)
}

/** Every upload goes on where the registry said it was, or later, and ends in the right digest. */
export async function expectResumable(ledger: Ledger, client: RegistryClient): Promise<void> {
  for (const upload of ledger.uploads) {
    await (upload.finishing ? finishAgain(upload, { ledger, client }) : resume(upload, { ledger, client }))
    ledger.blob(upload.digest).settle(true)
    ledger.uploads.delete(upload)
  }
}

interface Place {
  readonly ledger: Ledger
  readonly client: RegistryClient
}

async function resume({ location, acknowledgedBytes, bytes, digest }: OpenUpload, { client }: Place) {
  const state = await client.uploadState(location)
  expect(state, `upload ${location}`).toBeDefined()
  if (state === undefined) return
  expect(state.size, `upload ${location}`).toBeGreaterThanOrEqual(acknowledgedBytes)
  const chunk = bytes.subarray(state.size, state.size + 1000)
  const next = chunk.length > 0 ? await client.sendChunk(state, chunk) : state
  const rest = bytes.subarray(next.size)
  await client.finishUpload(next, { digest, ...(rest.length > 0 && { rest }) })
}

/** The client asked to finish it and got no answer: it is done, or can be finished with what it had, or its bytes are a
 *  blob already that only has to be linked, which the repeated request does. */
async function finishAgain(
  { location, acknowledgedBytes, bytes, digest }: OpenUpload,
  { ledger, client }: Place,
) {
  const state = await client.uploadState(location)
  if (state === undefined) {
    expect(await client.hasBlob(ledger.repository, digest), `blob of the finished upload ${location}`).toBe(
      true,
    )
    return
  }
  const adopted = state.size === 0 && acknowledgedBytes === bytes.length
  if (!adopted && state.size > 0) expect(state.size).toBeGreaterThanOrEqual(acknowledgedBytes)
  const rest = adopted ? Buffer.alloc(0) : bytes.subarray(state.size)
  await client.finishUpload(state, { digest, ...(rest.length > 0 && { rest }) })
}

function expectHash(bytes: Buffer | undefined, digest: string): void {
  if (bytes !== undefined) expect(sha256(bytes)).toBe(digest)
}

function settle<Value>(register: Register<Value>, { found, name }: { found: Value; name: string }): void {
  expect(register.candidates(), name).toContain(found)
  register.settle(found)
}

async function expectTagsListed({ repository, tags }: Ledger, client: RegistryClient): Promise<void> {
  const named = [...tags].filter(([, tag]) => tag.candidates().some((digest) => digest !== undefined))
  expect(new Set(await client.tags(repository))).toEqual(new Set(named.map(([name]) => name)))
}

/** Those that are there are listed, and no others. */
async function expectReferrersListed({ repository, manifests, referrers }: Ledger, client: RegistryClient) {
  const there = [...referrers].filter((digest) => manifests.get(digest)?.candidates().includes(true))
  expect(await client.referrers(repository, subject.digest)).toEqual(there.sort())
}
