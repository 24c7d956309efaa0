import { expect } from 'vitest'
import { type Digest, digestOf, type HashAlgorithm } from '../../../src/core/digest.ts'
import { type ErrorCode, RegistryError } from '../../../src/core/errors.ts'
import { parseManifest } from '../../../src/core/manifest/parse.ts'
import { DEFAULT_POLICY, type ManifestPolicy } from '../../../src/core/manifest/policy.ts'
import { parseRepositoryName, parseTag, type Tag } from '../../../src/core/reference.ts'
import type { BlobUpload, Repository, StoredManifest } from '../../../src/core/registry.ts'
import type { StorageDriver } from '../../../src/core/storage-driver.ts'
import { StoredRegistry } from '../../../src/registry/registry.ts'
import { FaultyDriver } from '../../support/faulty-driver.ts'
import { descriptorOf, imageJson, payloadOf } from '../../support/manifest-json.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { collectAll } from '../storage-driver/support.ts'
import type { DriverUnderTest } from '../storage-driver.ts'

export const ROOT = '/docker/registry/v2'

/** Everything that can be configured to be taken is. */
const policy: ManifestPolicy = { ...DEFAULT_POLICY, schema1: true }

/** A registry over a driver that can be made to fail, with the place that it keeps everything in. */
export class RegistryUnderTest {
  readonly driver: FaultyDriver
  readonly registry: StoredRegistry
  readonly logged: RecordedLog
  readonly #opened: DriverUnderTest

  private constructor(opened: DriverUnderTest, logged: RecordedLog) {
    this.driver = new FaultyDriver(opened.driver)
    this.logged = logged
    this.registry = new StoredRegistry({ driver: this.driver, policy, log: logged.log })
    this.#opened = opened
  }

  static async start(opened: DriverUnderTest): Promise<RegistryUnderTest> {
    return new RegistryUnderTest(opened, await RecordedLog.start())
  }

  repository(name: string): Repository {
    return this.registry.repository(parseRepositoryName(name))
  }

  /** A repository as another replica sees it, or the same process after a restart. */
  async onOtherReplica(name: string, options: { readOnly?: boolean } = {}): Promise<Repository> {
    const driver = await this.#opened.another()
    const registry = new StoredRegistry({ driver, policy, log: this.logged.log, ...options })
    return registry.repository(parseRepositoryName(name))
  }

  /** The same process after a restart, whose calls are recorded. */
  restarted(name: string): Repository {
    const registry = new StoredRegistry({ driver: this.driver, policy, log: this.logged.log })
    return registry.repository(parseRepositoryName(name))
  }

  close(): Promise<void> {
    return this.#opened.close()
  }
}

export function blobPath(digest: Digest): string {
  const [algorithm, hex = ''] = digest.split(':')
  return `${ROOT}/blobs/${algorithm}/${hex.slice(0, 2)}/${hex}/data`
}

/** The link by which a repository has a blob. */
export function layerLink(repository: string, digest: Digest): string {
  return `${ROOT}/repositories/${repository}/_layers/${digest.replace(':', '/')}/link`
}

/** The link by which a repository has a manifest. */
export function revisionLink(repository: string, digest: Digest): string {
  return `${ROOT}/repositories/${repository}/_manifests/revisions/${digest.replace(':', '/')}/link`
}

/** The link that says what a tag names. */
export function tagLink(repository: string, tag: string): string {
  return `${ROOT}/repositories/${repository}/_manifests/tags/${tag}/current/link`
}

export async function* chunksOf(...chunks: readonly (Uint8Array | string)[]): AsyncIterable<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk)
}

/** An upload that has these bytes. */
export async function uploadOf(
  repository: Repository,
  ...chunks: (Uint8Array | string)[]
): Promise<BlobUpload> {
  const upload = await repository.blobs.createUpload()
  await upload.append(chunksOf(...chunks))
  return upload
}

/** @returns the digest that it was pushed by */
export async function pushBlob(
  repository: Repository,
  content: Uint8Array | string,
  algorithm?: HashAlgorithm,
): Promise<Digest> {
  const digest = digestOf(Buffer.from(content), algorithm)
  await (await uploadOf(repository, content)).commit(digest)
  return digest
}

/** A manifest of one layer, which with its configuration is pushed first.
 *  @param name what sets it apart from other manifests
 *  @returns its payload's canonical digest */
export async function pushManifest(
  repository: Repository,
  name: string,
  options: { tags?: readonly string[]; algorithm?: HashAlgorithm } = {},
): Promise<Digest> {
  const payload = manifestPayload(name)
  for (const content of [`config of ${name}`, `layer of ${name}`]) await pushBlob(repository, content)
  const digest = digestOf(payload, options.algorithm)
  const stored = await repository.manifests.put(parseManifest(payload), digest)
  for (const text of options.tags ?? []) await repository.tags.tag(parseTag(text), stored)
  return digest
}

/** The payload that `pushManifest` pushes by this name. */
export function manifestPayload(name: string): Uint8Array {
  const config = descriptorOf(`config of ${name}`, { mediaType: 'application/vnd.oci.image.config.v1+json' })
  return payloadOf(imageJson({ config, layers: [descriptorOf(`layer of ${name}`)] }))
}

export function textOf({ payload }: StoredManifest): string {
  return Buffer.from(payload).toString()
}

export async function tagsOf(repository: Repository, after?: string): Promise<Tag[]> {
  return collectAll(repository.tags.all({ after }))
}

/** Every file below a folder of the driver: its path and its text; but for what is kept of deletions. */
export async function filesIn(driver: StorageDriver, folder = ROOT): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const { name, kind } of await collectAll(driver.list(folder))) {
    const path = `${folder}/${name}`
    if (kind === 'folder') Object.assign(files, await filesIn(driver, path))
    else if (name !== 'deletions') files[path] = Buffer.from(await driver.get(path)).toString()
  }
  return files
}

export async function expectRegistryError(work: Promise<unknown>, code: ErrorCode): Promise<RegistryError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(RegistryError)
  expect((error as RegistryError).code).toBe(code)
  return error as RegistryError
}
