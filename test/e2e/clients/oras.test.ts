import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { run } from '../../support/tools.ts'
import { expectServed } from './expectations.ts'
import { useRegistry } from './registry-in-use.ts'
import { sampleImage } from './sample-images.ts'

describeWith(['oras'], 'oras', () => {
  const registry = useRegistry()
  const oras = (args: string[], workingFolder?: string) =>
    run('oras', args, { ...(workingFolder && { workingFolder }) })

  /** An artifact of two files; returns its digest. */
  async function pushArtifact(repository: string, address = registry.address): Promise<string> {
    const folder = await registry.newFolder(`${repository}-files`)
    await writeFile(join(folder, 'chart.tgz'), 'not really a chart')
    await writeFile(join(folder, 'values.json'), JSON.stringify({ of: repository }))
    const files = ['chart.tgz:application/x.chart', 'values.json:application/json']
    const options = ['--plain-http', '--artifact-type=application/x.sample', '--format=json']
    return JSON.parse(await oras(['push', ...options, `${address}/${repository}:v1`, ...files], folder))
      .digest
  }

  async function attachNote(repository: string): Promise<string> {
    const folder = await registry.newFolder(`${repository}-note`)
    await writeFile(join(folder, 'note.txt'), 'looks good')
    const options = ['--plain-http', '--artifact-type=application/x.note', '--format=json']
    const reference = `${registry.address}/${repository}:v1`
    return JSON.parse(await oras(['attach', ...options, reference, 'note.txt:text/plain'], folder)).digest
  }

  test('pushes an artifact and pulls the same files', async () => {
    await pushArtifact('oras/artifact')
    const pulled = await registry.newFolder('oras-pulled')
    await oras(['pull', '--plain-http', '-o', pulled, `${registry.address}/oras/artifact:v1`])
    expect(await readFile(join(pulled, 'chart.tgz'), 'utf8')).toBe('not really a chart')
    expect(JSON.parse(await readFile(join(pulled, 'values.json'), 'utf8'))).toEqual({ of: 'oras/artifact' })
  })

  test('attaches a note to an artifact and finds it again', async () => {
    await pushArtifact('oras/subject')
    const note = await attachNote('oras/subject')
    const reference = `${registry.address}/oras/subject:v1`
    const found = JSON.parse(await oras(['discover', '--plain-http', '--format=json', reference]))
    expect(found.referrers).toMatchObject([{ digest: note, artifactType: 'application/x.note' }])
  })

  test('copies an artifact with what is attached to it', async () => {
    await pushArtifact('oras/from')
    const note = await attachNote('oras/from')
    const [from, to] = ['from', 'to'].map((name) => `${registry.address}/oras/${name}:v1`)
    await oras(['copy', '--recursive', '--from-plain-http', '--to-plain-http', from ?? '', to ?? ''])
    const found = JSON.parse(await oras(['discover', '--plain-http', '--format=json', to ?? '']))
    expect(found.referrers).toMatchObject([{ digest: note }])
  })

  test('copies an image between repositories by mounting', async () => {
    const proxy = registry.recorded
    const image = sampleImage('oras/image')
    await registry.client.pushImage('oras/image', { tag: 'v1', image })
    const [from, to] = ['image', 'image-copy'].map((name) => `${proxy.address}/oras/${name}:v1`)
    await oras(['copy', '--from-plain-http', '--to-plain-http', from ?? '', to ?? ''])
    await expectServed(image, { client: registry.client, repository: 'oras/image-copy' })
    const mounted = proxy.mountsInto('oras/image-copy').filter(({ status }) => status === 201)
    expect(mounted.length).toBeGreaterThanOrEqual(image.layers.length)
  })

  test('lists repositories and tags', async () => {
    await pushArtifact('oras/listed')
    await oras(['tag', '--plain-http', `${registry.address}/oras/listed:v1`, 'v2', 'v3'])
    const tags = await oras(['repo', 'tags', '--plain-http', `${registry.address}/oras/listed`])
    expect(tags).toBe('v1\nv2\nv3\n')
    const repositories = await oras(['repo', 'ls', '--plain-http', registry.address])
    expect(repositories.split('\n')).toContain('oras/listed')
  })

  test('deletes a manifest and a blob', async () => {
    await pushArtifact('oras/deleted')
    const repository = `${registry.address}/oras/deleted`
    const blob = await registry.client.pushBlob('oras/deleted', Buffer.from('a blob by itself'))
    await oras(['manifest', 'delete', '--plain-http', '--force', `${repository}:v1`])
    await oras(['blob', 'delete', '--plain-http', '--force', `${repository}@${blob}`])
    await expect(oras(['manifest', 'fetch', '--plain-http', `${repository}:v1`])).rejects.toThrow(/not found/)
    expect(await registry.client.hasBlob('oras/deleted', blob)).toBe(false)
  })
})
