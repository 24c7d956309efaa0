/** `npm start` in a checkout that nothing was built in: the registry serves its web page. */
import { execFile } from 'node:child_process'
import { cp, mkdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listeningUrl } from './support/entrepot-process.ts'
import { ServerProcess } from './support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from './support/temporary-folder.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
const PARTS = ['package.json', 'tsconfig.json', 'src', 'ui', 'packaging', 'examples']

let folder: TemporaryFolder
let checkout: string
beforeEach(async () => {
  folder = await temporaryFolder()
  checkout = join(folder.path, 'checkout')
  await mkdir(checkout)
  for (const part of PARTS) await cp(join(project, part), join(checkout, part), { recursive: true })
  await symlink(join(project, 'node_modules'), join(checkout, 'node_modules'))
})
afterEach(() => folder.remove())

function start(): Promise<ServerProcess> {
  return ServerProcess.start({
    file: 'npm',
    arguments: ['start'],
    workingFolder: checkout,
    environment: { REGISTRY_HTTP_ADDR: '127.0.0.1:0' },
    readyUrl: listeningUrl,
    readyTimeoutMilliseconds: 120_000,
  })
}

/** What the step before the start says. */
async function prepare(): Promise<string> {
  return (await promisify(execFile)(process.execPath, ['packaging/page.ts'], { cwd: checkout })).stderr
}

async function page({ url }: ServerProcess): Promise<string> {
  const answer = await fetch(url, { headers: { accept: 'text/html' } })
  return answer.text()
}

test('builds the page if it is missing or older than its source, and not again', async () => {
  await using registry = await start()
  expect(await page(registry)).toMatch(/<script type="module"[^>]* src="[^"]+\.js"/)
  expect(registry.output).toContain('Built the web page')
  expect(await prepare()).toBe('')
  const later = new Date(Date.now() + 60_000)
  await utimes(join(checkout, 'ui', 'src', 'main.tsx'), later, later)
  expect(await prepare()).toContain('Built the web page')
})

test('starts without the page if it cannot be built', async () => {
  await writeFile(join(checkout, 'ui', 'src', 'main.tsx'), 'this is no program')
  await using registry = await start()
  expect(registry.output).toContain('The web page could not be built')
  expect((await fetch(`${registry.url}/v2/`)).status).toBe(200)
  expect(await page(registry)).toContain('This page is not built')
})
