import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseManifest } from '../../../src/core/manifest/parse.ts'
import { verifySignatures } from '../../../src/core/manifest/schema1/verify.ts'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { newSigner, schema1Layers, schema1Payload, signedSchema1 } from '../../support/schema1.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

const config = { compatibility: { schema1: { enabled: true } } }
const mediaTypes = {
  signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
  unsigned: 'application/vnd.docker.distribution.manifest.v1+json',
}

/** Distribution 2.5 and later keep the payload alone and sign it themselves whenever it is pulled. */
describeWith(['docker-registry'], 'schema 1 in one folder under Distribution and Entrepot', () => {
  const signer = newSigner('ES256')
  const servers: ServerProcess[] = []
  let folder: TemporaryFolder
  let entrepot: RegistryClient
  let distribution: RegistryClient

  beforeAll(async () => {
    folder = await temporaryFolder()
    const options = { dataFolder: join(folder.path, 'data'), configFolder: folder.path, config }
    for (const start of [startEntrepot, startDistribution]) servers.push(await start(options))
    ;[entrepot, distribution] = servers.map(({ url }) => new RegistryClient(url)) as [
      RegistryClient,
      RegistryClient,
    ]
  })
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()))
    await folder?.remove()
  })

  async function push(client: RegistryClient, { name, indent }: { name: string; indent: number }) {
    for (const layer of schema1Layers) await client.pushBlob(name, Buffer.from(layer))
    const payload = schema1Payload({ name, tag: 'v1' }, indent)
    const put = { method: 'PUT', headers: { 'content-type': mediaTypes.signed }, expect: [201] }
    const answer = await client.request(`/v2/${name}/manifests/v1`, {
      ...put,
      body: documentOf(payload, indent),
    })
    return { payload, digest: answer.headers.get('docker-content-digest') }
  }

  function documentOf(payload: Buffer, indent: number): Buffer {
    const document = signedSchema1(payload, signer)
    if (indent > 0) return document
    const { signatures } = JSON.parse(document.toString())
    return Buffer.from(`${payload.toString().slice(0, -1)},"signatures":${JSON.stringify(signatures)}}`)
  }

  test.each([0, 3])('what Entrepot took, Distribution signs and serves: indented by %s', async (indent) => {
    const name = `from-entrepot-${indent}`
    const { payload, digest } = await push(entrepot, { name, indent })
    const answer = await distribution.request(`/v2/${name}/manifests/v1`, { expect: [200] })
    expect(answer.headers.get('docker-content-digest')).toBe(digest)
    const manifest = parseManifest(Buffer.from(await answer.arrayBuffer()))
    expect(manifest.payload).toEqual(payload)
    await expect(verifySignatures(manifest)).resolves.toBeUndefined()
  })

  test.each([0, 3])(
    'what Distribution took, Entrepot serves without signatures: indented by %s',
    async (indent) => {
      const name = `from-distribution-${indent}`
      const { payload, digest } = await push(distribution, { name, indent })
      const answer = await entrepot.request(`/v2/${name}/manifests/v1`, { expect: [200] })
      expect(answer.headers.get('content-type')).toBe(mediaTypes.unsigned)
      expect(answer.headers.get('docker-content-digest')).toBe(digest)
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(payload)
    },
  )

  test.each([0, 3])(
    'a document that Distribution signed is taken as it is: indented by %s',
    async (indent) => {
      const name = `signed-by-distribution-${indent}`
      const { digest } = await push(distribution, { name, indent })
      const served = await distribution.request(`/v2/${name}/manifests/v1`, { expect: [200] })
      const body = Buffer.from(await served.arrayBuffer())
      const headers = { 'content-type': mediaTypes.signed }
      await entrepot.request(`/v2/${name}/manifests/v1`, { method: 'PUT', body, headers, expect: [201] })
      const answer = await entrepot.request(`/v2/${name}/manifests/v1`, { expect: [200] })
      expect(answer.headers.get('docker-content-digest')).toBe(digest)
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(body)
    },
  )
})
