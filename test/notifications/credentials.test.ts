/** Where credentials of endpoints and clients may not be: in logs, metrics, variables, events and what is stored of them. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runEntrepot } from '../support/command.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { EventReceiver } from '../support/event-receiver.ts'
import { freePort } from '../support/free-port.ts'
import { sha256 } from '../support/oci-image.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const HOST = '127.0.0.1'
const SECRET = 'hunter2'
/** It is in base64 as well. */
const SIGNED_WITH = Buffer.alloc(32, SECRET).toString('base64')
const patiently = { timeout: 60_000, interval: 100 }

test('credentials are sent, and found nowhere else', async () => {
  await using receiver = await EventReceiver.start()
  receiver.answer = (_, response) => response.writeHead(500).end()
  await using folder = await temporaryFolder()
  const [dataFolder, addr] = [join(folder.path, 'data'), `${HOST}:${await freePort(HOST)}`]
  const url = `${receiver.url.replace('http://', `http://me:${SECRET}@`)}?token=${SECRET}`
  const headers = { 'X-Token': [SECRET] }
  const retries = { threshold: 2, backoff: '20ms', maxbackoff: '50ms' }
  const lines: string[] = []
  await using server = await startEntrepot(
    {
      ...{ dataFolder, configFolder: folder.path },
      config: {
        log: { level: 'debug', formatter: 'json' },
        http: { addr: `${HOST}:0`, debug: { addr, prometheus: { enabled: true } } },
        notifications: {
          endpoints: [
            { name: 'refusing', url, headers, secrets: [SIGNED_WITH], deadletterafter: '100ms', ...retries },
            {
              name: 'gone',
              url: `http://me:${SECRET}@${HOST}:${await freePort(HOST)}/`,
              headers,
              ...retries,
            },
          ],
        },
      },
    },
    { onLine: (line) => lines.push(line) },
  )
  const body = Buffer.from('bytes')
  const push = `${server.url}/v2/a/blobs/uploads/?digest=${sha256(body)}`
  const ofClient = { authorization: `Bearer ${SECRET}`, 'content-type': 'application/octet-stream' }
  expect((await fetch(push, { method: 'POST', body, headers: ofClient })).status).toBe(201)
  await expect.poll(() => lines.join(''), patiently).toContain('it is a dead letter')
  await expect.poll(() => lines.join(''), patiently).toContain('ECONNREFUSED')
  const basic = `Basic ${Buffer.from(`me:${SECRET}`).toString('base64')}`
  expect(receiver.posts[0]?.headers).toMatchObject({ 'x-token': SECRET, authorization: basic })
  const shown = {
    metrics: await (await fetch(`http://${addr}/metrics`)).text(),
    variables: await (await fetch(`http://${addr}/debug/vars`)).text(),
    listed: (await runEntrepot(['events', 'list', join(folder.path, 'entrepot.yml'), '--json'])).stdout,
    stored: await contentOf(join(dataFolder, 'docker/registry/v2/notifications')),
    told: receiver.posts.map(({ body }) => body.toString()).join(),
    logged: lines.join('\n'),
  }
  for (const [where, text] of Object.entries(shown)) {
    expect(text.length, where).toBeGreaterThan(100)
    for (const secret of [SECRET, basic.slice(6), SIGNED_WITH]) expect(text, where).not.toContain(secret)
  }
})

/** All files below a folder. */
async function contentOf(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const texts = await Promise.all(
    files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'utf8')),
  )
  return texts.join('\n')
}
