import { rm, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startAnswering } from '../support/answering-server.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

function start(health: unknown, http: Record<string, unknown> = {}): Promise<ServerProcess> {
  return startEntrepot({
    dataFolder: `${folder.path}/data`,
    configFolder: folder.path,
    config: { http: { debug: { addr: '127.0.0.1:0' }, ...http }, health },
  })
}

const statusOf = async (url: string) => (await fetch(url)).status

async function healthOf(server: ServerProcess) {
  const line = server.output.split('\n').find((each) => each.includes('debugAddress')) ?? '{}'
  const answer = await fetch(`${JSON.parse(line).debugAddress}/debug/health`)
  return [answer.status, await answer.json()]
}

test.each([1, 2])('a registry of %i processes is out of service while a file is there', async (workers) => {
  const file = `${folder.path}/stop`
  await using server = await start({ file: [{ file, interval: '50ms' }] }, { workers })
  await expect.poll(() => statusOf(`${server.url}/readyz`)).toBe(200)
  expect(await healthOf(server)).toEqual([200, {}])
  await writeFile(file, '')
  await expect.poll(() => healthOf(server)).toEqual([503, { [file]: 'file exists' }])
  await expect.poll(() => statusOf(`${server.url}/v2/`)).toBe(503)
  expect(await statusOf(`${server.url}/livez`)).toBe(200)
  await rm(file)
  await expect.poll(() => healthOf(server)).toEqual([200, {}])
  await expect.poll(() => statusOf(`${server.url}/v2/`)).toBe(200)
})

test('all kinds of checks are made', async () => {
  await using there = await startAnswering((_request, response) => {
    response.writeHead(204).end()
  })
  const interval = '50ms'
  const port = new URL(there.url).port
  await using server = await start({
    storagedriver: { enabled: true, interval, threshold: 2 },
    http: [
      { uri: `${there.url}/good`, statuscode: 204, interval },
      { uri: `${there.url}/bad`, interval },
    ],
    tcp: [
      { addr: `127.0.0.1:${port}`, interval },
      { addr: '127.0.0.1:1', interval },
    ],
  })
  await expect
    .poll(() => healthOf(server))
    .toEqual([
      503,
      {
        [`${there.url}/bad`]: 'downstream service returned unexpected status: 204',
        '127.0.0.1:1': expect.stringContaining('connection to 127.0.0.1:1 failed'),
      },
    ])
  await rm(`${folder.path}/data`, { recursive: true })
  await expect
    .poll(() => healthOf(server))
    .toEqual([503, expect.objectContaining({ storagedriver_filesystem: expect.any(String) })])
})
