import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runEntrepot } from '../support/command.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

const example = fileURLToPath(new URL('../../examples/middleware/no-latest.js', import.meta.url))

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

const start = (middleware: unknown) =>
  startEntrepot({ dataFolder: `${folder.path}/data`, configFolder: folder.path, config: { middleware } })

async function module(name: string, text: string): Promise<string> {
  const path = `${folder.path}/${name}`
  await writeFile(path, text)
  return path
}

test('the page shows the example', () => {
  const page = readFileSync(new URL('../../docs/middleware.md', import.meta.url), 'utf8')
  expect(page).toContain(`\`\`\`js\n${readFileSync(example, 'utf8')}\`\`\``)
})

test('a module refuses what it is asked to, and the rest goes its way', async () => {
  await using server = await start({ repository: [{ name: example, options: { tags: ['latest'] } }] })
  const client = new RegistryClient(server.url)
  const image = imageOf([gzippedLayer([{ path: 'a', content: 'b' }])])
  await client.pushImage('a', { tag: 'v1', image })
  const refused = await fetch(`${server.url}/v2/a/manifests/latest`, {
    method: 'PUT',
    body: new Uint8Array(image.manifest.bytes),
    headers: { 'content-type': image.manifest.descriptor.mediaType },
  })
  expect(refused.status).toBe(403)
  expect(await refused.json()).toEqual({
    errors: [{ code: 'DENIED', message: 'the tag latest is not used here', detail: { tag: 'latest' } }],
  })
  const tags = await fetch(`${server.url}/v2/a/tags/list`)
  expect(await tags.json()).toEqual({ name: 'a', tags: ['v1'] })
})

test('modules of the registry stand around those of repositories, the last one first', async () => {
  const text = (name: string) => `
    export default (registry, { ForwardingRegistry, log }) => new (class extends ForwardingRegistry {
      repository(name) { log.info({ asked: '${name}' }, 'module'); return super.repository(name) }
    })(registry)`
  const repository = await module(
    'repository.js',
    `export default (inner, { log }) => { log.info({ asked: 'repository' }, 'module'); return inner }`,
  )
  await using server = await start({
    registry: [{ name: await module('one.js', text('one')) }, { name: await module('two.js', text('two')) }],
    repository: [{ name: repository }, { name: 'no-such-package', disabled: true }],
  })
  await fetch(`${server.url}/v2/a/tags/list`)
  await expect
    .poll(() => [...server.output.matchAll(/"asked":"(\w+)"/g)].map(([, name]) => name))
    .toEqual(['two', 'one', 'repository'])
})

test.each([
  ['no-such-package', /middleware\.registry\[0\]\.name: .*no-such-package/],
  ['./nothing.js', /middleware\.registry\[0\]\.name: .*nothing\.js/],
  ['text.js', /middleware\.registry\[0\]\.name: .*text\.js has no function as its default export/],
])('a module that is none keeps the registry from starting: %s', async (name, message) => {
  const path = name === 'text.js' ? await module(name, 'export default "text"') : name
  const config = `${folder.path}/config.yml`
  const middleware = { registry: [{ name: path }] }
  await writeFile(config, JSON.stringify({ version: '0.1', storage: { inmemory: null }, middleware }))
  for (const command of [
    ['serve', config],
    ['config', 'check', config],
  ]) {
    const { code, stderr, stdout } = await runEntrepot(command, { workingFolder: folder.path })
    expect([command[0], code]).toEqual([command[0], 1])
    expect(`${stdout}${stderr}`).toMatch(message)
  }
})
