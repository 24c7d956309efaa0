/** Every example of docs/client.md, in its order, in a shell. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { entrepotMain } from '../support/command.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { gzippedLayer, imageOf, indexOf } from '../support/oci-image.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const PAGE = new URL('../../docs/client.md', import.meta.url)

test('the examples run', { timeout: 600_000 }, async () => {
  await using folder = await temporaryFolder()
  await using first = await HttpRegistry.start()
  await using second = await HttpRegistry.start()
  const index = indexOf(
    ['amd64', 'arm64'].map((architecture) => {
      const platform = { os: 'linux', architecture }
      return { platform, image: imageOf([gzippedLayer([{ path: architecture }])], platform) }
    }),
  )
  await first.client.pushIndex('team/app', { tag: '1.0', index })
  const page = await readFile(PAGE, 'utf8')
  const examples = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, lines = '']) => lines).join('')
  expect(examples.split('\n').length).toBeGreaterThan(15)
  const script = examples
    .replaceAll('registry.example', `127.0.0.1:${first.port}`)
    .replaceAll('other.example', `127.0.0.1:${second.port}`)
  const start = `set -eo pipefail\nentrepot() { "${process.execPath}" "${entrepotMain}" "$@"; }\n`
  const shell = spawn('bash', ['-c', start + script], {
    cwd: folder.path,
    env: { ...process.env, PASSWORD: 'secret', DOCKER_CONFIG: folder.path },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [said, complaints, [code]] = await Promise.all([
    text(shell.stdout),
    text(shell.stderr),
    once(shell, 'close'),
  ])
  expect({ code, complaints: code === 0 ? '' : complaints }).toEqual({ code: 0, complaints: '' })
  expect(said).toContain(index.manifest.descriptor.digest)
  for (const repository of ['mirror/app', 'imported/team/app'])
    expect(await second.client.manifest(repository, '1.0')).toEqual(index.manifest.bytes)
  const amd64 = index.images.find(({ config }) => config.bytes.includes('"amd64"'))
  if (process.arch === 'x64')
    expect(await second.client.manifest('team/app', 'from-archive')).toEqual(amd64?.manifest.bytes)
})
