/** Real clients over TLS, with an authority that only they were told of. Those written in Go speak HTTP/2 by themselves. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority, type KeyPair } from '../../support/authority.ts'
import { describeWith } from '../../support/describe-with.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import type { Image } from '../../support/oci-image.ts'
import { writeLayout } from '../../support/oci-layout.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { run } from '../../support/tools.ts'
import { containerStorage } from './container-storage.ts'
import { sampleImage } from './sample-images.ts'

describe.each([
  ['HTTP/2', false],
  ['HTTP/1.1', true],
])('over TLS with %s', (_protocol, disabled) => {
  let folder: TemporaryFolder
  let server: ServerProcess
  let client: KeyPair
  beforeAll(async () => {
    folder = await temporaryFolder()
    const authority = await Authority.create('the authority')
    const { cert, key } = await authority.issue('registry')
    client = await authority.issue('client')
    await mkdir(at('certs'))
    await writeFile(at('certs/ca.crt'), authority.cert)
    await writeFile(at('certs/client.cert'), client.cert)
    await writeFile(at('certs/client.key'), client.key)
    await writeFile(at('tls.crt'), cert)
    await writeFile(at('tls.key'), key)
    const tls = {
      certificate: at('tls.crt'),
      key: at('tls.key'),
      clientcas: [at('certs/ca.crt')],
      clientauth: 'verify-client-cert-if-given',
    }
    server = await startEntrepot({
      dataFolder: at('data'),
      configFolder: folder.path,
      config: { http: { addr: '127.0.0.1:0', tls, http2: { disabled } } },
    })
  })
  afterAll(async () => {
    await server?.stop()
    await folder?.remove()
  })

  const at = (name: string) => join(folder.path, name)
  const reference = (repository: string) => `${server.address}/${repository}:v1`

  async function layoutOf(name: string): Promise<{ image: Image; layout: string }> {
    const image = sampleImage(name)
    const layout = at(`${name}-layout`)
    await mkdir(layout)
    await writeLayout(layout, { tag: 'v1', root: image })
    return { image, layout }
  }

  async function expectInLayout(image: Image, layout: string) {
    for (const { descriptor, bytes } of [image.config, ...image.layers]) {
      expect(await readFile(join(layout, 'blobs', descriptor.digest.replace(':', '/')))).toEqual(bytes)
    }
  }

  describeWith(['crane'], 'crane', () => {
    const crane = (...args: string[]) =>
      run('crane', args, { environment: { SSL_CERT_FILE: at('certs/ca.crt') } })

    test('pushes, checks, and pulls', async () => {
      const { image, layout } = await layoutOf('crane')
      await crane('push', layout, reference('crane'))
      await crane('validate', '--remote', reference('crane'))
      await crane('pull', '--format=oci', reference('crane'), at('crane-pulled'))
      await expectInLayout(image, at('crane-pulled'))
    })

    test('is not served without the authority', async () => {
      await expect(run('crane', ['catalog', server.address])).rejects.toThrow(/certificate/)
    })
  })

  describeWith(['skopeo'], 'skopeo', () => {
    test('pushes and pulls with a certificate of its own', async () => {
      const { image, layout } = await layoutOf('skopeo')
      const copy = (...args: string[]) => run('skopeo', ['copy', '--insecure-policy', ...args])
      await copy(`--dest-cert-dir=${at('certs')}`, `oci:${layout}:v1`, `docker://${reference('skopeo')}`)
      await mkdir(at('skopeo-pulled'))
      await copy(
        `--src-cert-dir=${at('certs')}`,
        `docker://${reference('skopeo')}`,
        `oci:${at('skopeo-pulled')}:v1`,
      )
      await expectInLayout(image, at('skopeo-pulled'))
    })
  })

  describeWith(['podman', 'skopeo'], 'podman', () => {
    test('pulls and pushes', async () => {
      const { image, layout } = await layoutOf('podman')
      const certs = `--cert-dir=${at('certs')}`
      await run('skopeo', [
        'copy',
        '--insecure-policy',
        `--dest-cert-dir=${at('certs')}`,
        `oci:${layout}:v1`,
        `docker://${reference('podman')}`,
      ])
      await mkdir(at('podman'))
      const podman = await containerStorage('podman', { driver: 'vfs', folder: at('podman') })
      const id = (await podman.run('pull', '--quiet', certs, reference('podman'))).trim()
      expect(`sha256:${id}`).toBe(image.config.descriptor.digest)
      await podman.run('push', '--quiet', certs, reference('podman'), reference('podman-again'))
    })
  })

  describeWith(['oras'], 'oras', () => {
    test('pushes and pulls a file', async () => {
      await mkdir(at('oras'))
      await writeFile(at('oras/file.txt'), 'content')
      const ca = `--ca-file=${at('certs/ca.crt')}`
      await run('oras', ['push', ca, reference('oras'), 'file.txt'], { workingFolder: at('oras') })
      await run('oras', ['pull', ca, reference('oras'), '--output', at('oras-pulled')])
      expect(await readFile(at('oras-pulled/file.txt'), 'utf8')).toBe('content')
    })
  })

  describeWith(['curl'], 'curl', () => {
    test('speaks what it should', async () => {
      const options = ['--silent', '--cacert', at('certs/ca.crt'), '--write-out', '%{http_version}']
      const version = await run('curl', [...options, '--http2', '--output', '/dev/null', `${server.url}/v2/`])
      expect(version).toBe(disabled ? '1.1' : '2')
    })
  })
})
