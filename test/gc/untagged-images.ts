/** Images for the tests of untagged manifests, pushed by HTTP. */
import { expect } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import type { Answer, HttpRegistry } from '../support/http-registry.ts'
import { descriptorOf, imageJson, indexJson, payloadOf } from '../support/manifest-json.ts'

export interface PushedManifest {
  readonly bytes: Buffer
  readonly type: string
  /** What it needs to be there before. */
  readonly blobs: readonly string[]
}

export function imageOf(name: string): PushedManifest {
  const blobs = [`config of ${name}`, `layer of ${name}`]
  const [config, layer] = blobs.map((blob) => descriptorOf(blob))
  return { bytes: bytesOf(imageJson({ config, layers: [layer] })), type: MediaType.ociManifest, blobs }
}

/** A signature, or anything else that is about another manifest. */
export function referrerOf(subject: PushedManifest, name: string): PushedManifest {
  const blobs = [`config of ${name}`, `layer of ${name}`]
  const [config, layer] = blobs.map((blob) => descriptorOf(blob))
  const json = imageJson({ config, layers: [layer], subject: describe(subject) })
  return { bytes: bytesOf(json), type: MediaType.ociManifest, blobs }
}

export function indexOf(...children: readonly PushedManifest[]): PushedManifest {
  return {
    bytes: bytesOf(indexJson({ manifests: children.map(describe) })),
    type: MediaType.ociIndex,
    blobs: [],
  }
}

export function digestOfManifest({ bytes }: PushedManifest): ReturnType<typeof digestOf> {
  return digestOf(bytes)
}

/** @param reference a tag, or by default its digest */
export async function push(
  registry: HttpRegistry,
  repository: string,
  { manifest, reference = digestOf(manifest.bytes) }: { manifest: PushedManifest; reference?: string },
): Promise<void> {
  for (const blob of manifest.blobs) await registry.client.pushBlob(repository, Buffer.from(blob))
  expect((await put(registry, repository, { manifest, reference })).status).toBe(201)
}

/** The manifest alone. */
export function put(
  registry: HttpRegistry,
  repository: string,
  { manifest, reference }: { manifest: PushedManifest; reference: string },
): Promise<Answer> {
  const { bytes: body, type } = manifest
  const headers = { 'content-type': type }
  return registry.send(`PUT /v2/${repository}/manifests/${reference}`, { headers, body })
}

export async function isThere(
  registry: HttpRegistry,
  repository: string,
  { bytes }: PushedManifest,
): Promise<boolean> {
  const { status } = await registry.send(`GET /v2/${repository}/manifests/${digestOf(bytes)}`)
  expect([200, 404]).toContain(status)
  return status === 200
}

function describe({ bytes, type }: PushedManifest) {
  return { mediaType: type, digest: digestOf(bytes), size: bytes.length }
}

function bytesOf(json: unknown): Buffer {
  return Buffer.from(payloadOf(json))
}
