/** Images that are told apart by a name, and pushed over HTTP. */
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import type { RegistryClient } from '../support/registry-client.ts'

export function imageCalled(name: string): Buffer {
  return Buffer.from(payloadOf(imageJson({ layers: [descriptorOf('layer')], annotations: { name } })))
}

/** Pushes what every `imageCalled` refers to. */
export async function pushLayers(client: RegistryClient, repository: string): Promise<void> {
  for (const blob of ['config', 'layer']) await client.pushBlob(repository, Buffer.from(blob))
}

/** Pushes a manifest, once.
 *  @param place such as `team/app:v1` */
export async function putImage(url: string, place: string, name: string): Promise<Response> {
  const [repository, tag] = place.split(':')
  const headers = { 'content-type': MediaType.ociManifest }
  return fetch(`${url}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers,
    body: new Uint8Array(imageCalled(name)),
  })
}

export function digestOfImage(name: string): string {
  return digestOf(imageCalled(name))
}
