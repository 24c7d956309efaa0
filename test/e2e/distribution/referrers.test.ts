/** What Distribution was given before Entrepot came, and while both work: its clients keep lists of referrers under
 *  tags, and some keep none. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { referrerPayload, sbomType } from '../../contract/registry/referrer-support.ts'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { contentOf, gzippedLayer, type Image, imageOf, mediaTypes } from '../../support/oci-image.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import type { StartRegistry } from '../../support/registry-process.ts'
import { startRegistry as startEntrepot } from '../../support/registry-under-test.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { contentMark, filesBelow } from '../../support/storage-tree.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { run } from '../../support/tools.ts'
import { listedSignatures } from '../clients/signatures.ts'

const repository = 'signed/image'
const environment = { COSIGN_PASSWORD: '' }

interface Listed {
  readonly digest: string
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

describeWith(['docker-registry', 'oras', 'cosign'], 'referrers pushed to Distribution', () => {
  const servers: ServerProcess[] = []
  let folder: TemporaryFolder
  let data: string
  let distribution: ServerProcess
  let entrepots: readonly ServerProcess[]
  let image: Image
  let before: Map<string, string>

  async function start(startServer: StartRegistry, config = {}): Promise<ServerProcess> {
    const server = await startServer({ dataFolder: data, configFolder: folder.path, config })
    servers.push(server)
    return server
  }

  const digest = () => image.manifest.descriptor.digest
  const at = ({ address }: ServerProcess) => `${address}/${repository}@${digest()}`

  /** Returns the digest of what was attached. */
  async function attach(
    server: ServerProcess,
    { name, type }: { name: string; type: string },
  ): Promise<string> {
    await writeFile(join(folder.path, name), `the content of ${name}`)
    const options = ['--plain-http', `--artifact-type=${type}`, `--annotation=about=${name}`, '--format=json']
    const printed = await run('oras', ['attach', ...options, at(server), `${name}:text/plain`], {
      workingFolder: folder.path,
    })
    return JSON.parse(printed).digest
  }

  async function sign(server: ServerProcess, options: readonly string[]): Promise<void> {
    const unlogged = ['--use-signing-config=false', '--tlog-upload=false', '--allow-http-registry', '--yes']
    const args = ['sign', '--key', join(folder.path, 'cosign.key'), ...unlogged, ...options, at(server)]
    await run('cosign', args, { environment })
  }

  /** By a client that knows of no list and keeps none. */
  async function pushSilently(server: ServerProcess, name: string): Promise<string> {
    const client = new RegistryClient(server.url)
    await client.pushBlob(repository, Buffer.from('{}'))
    const about = { mediaType: mediaTypes.manifest, digest: digest(), size: image.manifest.bytes.length }
    const manifest = contentOf(Buffer.from(referrerPayload(name, { subject: about })), mediaTypes.manifest)
    await client.pushManifest(repository, { reference: manifest.descriptor.digest, manifest })
    return manifest.descriptor.digest
  }

  async function listed(server: ServerProcess, query = ''): Promise<readonly Listed[]> {
    const path = `/v2/${repository}/referrers/${digest()}${query}`
    const answer = await new RegistryClient(server.url).request(path, { expect: [200] })
    return ((await answer.json()) as { manifests: Listed[] }).manifests
  }

  const digestsListed = async (server: ServerProcess) => (await listed(server)).map((one) => one.digest)

  async function marks(): Promise<Map<string, string>> {
    const paths = await filesBelow(data)
    return new Map(
      await Promise.all(paths.map(async (path) => [path, await contentMark(join(data, path))] as const)),
    )
  }

  let attached: { sbom: string; note: string; silent: string }
  beforeEach(async () => {
    folder = await temporaryFolder()
    data = join(folder.path, 'data')
    distribution = await start(startDistribution)
    image = imageOf([gzippedLayer([{ path: 'name', content: 'signed' }])])
    await new RegistryClient(distribution.url).pushImage(repository, { tag: 'v1', image })
    await run('cosign', ['generate-key-pair'], { workingFolder: folder.path, environment })
    attached = {
      sbom: await attach(distribution, { name: 'sbom.json', type: 'application/spdx+json' }),
      note: await attach(distribution, { name: 'note.txt', type: 'application/x.note' }),
      silent: await pushSilently(distribution, 'silent'),
    }
    await sign(distribution, [])
    await sign(distribution, ['--new-bundle-format=false'])
    before = await marks()
    entrepots = [await start(startEntrepot), await start(startEntrepot)]
  })
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()))
    await folder?.remove()
  })

  test('are found by two replicas that are asked at once, and nothing of Distribution’s changes', async () => {
    const [one, other] = await Promise.all(entrepots.map((entrepot) => listed(entrepot)))
    expect(other).toEqual(one)
    const types = new Map(one?.map((entry) => [entry.digest, entry]))
    expect(types.size).toBe(4)
    expect(types.get(attached.sbom)).toMatchObject({
      artifactType: 'application/spdx+json',
      annotations: { about: 'sbom.json' },
    })
    expect(types.get(attached.note)?.artifactType).toBe('application/x.note')
    expect(types.get(attached.silent)?.artifactType).toBe(sbomType)
    const after = await marks()
    for (const [path, mark] of before) expect([path, after.get(path)]).toEqual([path, mark])
    const added = [...after.keys()].filter((path) => !before.has(path))
    expect(added.filter((path) => !path.includes('/_manifests/referrers/'))).toEqual([])
  })

  test('are found by one that may not write, which writes nothing', async () => {
    const readOnly = { filesystem: { rootdirectory: data }, maintenance: { readonly: { enabled: true } } }
    const entrepot = await start(startEntrepot, { storage: readOnly })
    const found = await digestsListed(entrepot)
    expect(found).toEqual(expect.arrayContaining(Object.values(attached)))
    expect(await marks()).toEqual(before)
    expect(await digestsListed(entrepots[0] as ServerProcess)).toEqual(found)
  })

  test('are found by oras, and by their type', async () => {
    const [entrepot] = entrepots as [ServerProcess]
    const options = ['--plain-http', '--format=json', '--artifact-type=application/spdx+json']
    const found = JSON.parse(await run('oras', ['discover', ...options, at(entrepot)]))
    expect(found.referrers).toMatchObject([{ digest: attached.sbom }])
    expect(await listed(entrepot, '?artifactType=application/x.note')).toMatchObject([
      { digest: attached.note },
    ])
  })

  test('are verified by cosign, and listed as signatures', async () => {
    const [entrepot] = entrepots as [ServerProcess]
    const args = ['verify', '--key', join(folder.path, 'cosign.pub'), '--insecure-ignore-tlog=true']
    for (const form of [[], ['--new-bundle-format=false']]) {
      const printed = await run('cosign', [...args, '--allow-http-registry', ...form, at(entrepot)])
      expect(JSON.parse(printed)).toHaveLength(1)
    }
    const client = new RegistryClient(entrepot.url)
    const signatures = await listedSignatures(client, { repository, digest: digest() })
    expect(signatures.map(({ kind, mediaType }) => `${kind} ${mediaType}`)).toEqual([
      'cosign application/vnd.dev.cosign.simplesigning.v1+json',
      'cosign application/vnd.dev.sigstore.bundle.v0.3+json',
    ])
  })

  test('are found when they are pushed to Distribution while Entrepot runs', async () => {
    const [entrepot] = entrepots as [ServerProcess]
    const known = await digestsListed(entrepot)
    const late = await attach(distribution, { name: 'late.txt', type: 'application/x.late' })
    expect((await digestsListed(entrepot)).sort()).toEqual([...known, late].sort())
  })

  test('and those pushed to Entrepot are manifests like others for Distribution', async () => {
    const [entrepot] = entrepots as [ServerProcess]
    const attachedHere = await attach(entrepot, { name: 'here.txt', type: 'application/x.here' })
    for (const server of entrepots) expect(await digestsListed(server)).toContain(attachedHere)
    const manifest = await new RegistryClient(distribution.url).manifest(repository, attachedHere)
    expect(JSON.parse(String(manifest))).toMatchObject({ subject: { digest: digest() } })
  })

  test('are no longer listed when Distribution has deleted them', async () => {
    const client = new RegistryClient(distribution.url)
    const digestToDelete = await pushSilently(entrepots[0] as ServerProcess, 'to be deleted')
    for (const entrepot of entrepots) expect(await digestsListed(entrepot)).toContain(digestToDelete)
    await client.deleteManifest(repository, digestToDelete)
    for (const entrepot of entrepots) expect(await digestsListed(entrepot)).not.toContain(digestToDelete)
  })

  test('survive the garbage collection of Distribution, and those that it collects are not listed', async () => {
    const [entrepot] = entrepots as [ServerProcess]
    const config = join(folder.path, 'distribution.yml')
    const known = await listed(entrepot)
    await run('docker-registry', ['garbage-collect', config])
    expect(await listed(entrepot)).toEqual(known)
    await run('docker-registry', ['garbage-collect', '--delete-untagged', config])
    expect(await listed(entrepot)).toEqual([])
    expect(await new RegistryClient(entrepot.url).manifest(repository, 'v1')).toEqual(image.manifest.bytes)
  })
})
