/** `entrepot events`, beside a registry that serves the same folder. */
import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { runEntrepot } from '../support/command.ts'
import { EventReceiver } from '../support/event-receiver.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { NotifyingRegistryUnderTest } from './support.ts'

interface Summary {
  readonly waiting: number
  readonly held: readonly unknown[]
  readonly dead: readonly { readonly event: { readonly id: string }; readonly reason: string }[]
}

async function start() {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const [good, bad] = [stack.use(await EventReceiver.start()), stack.use(await EventReceiver.start())]
  const storage = { filesystem: { rootdirectory: `${folder.path}/data` } }
  const notifications = {
    endpoints: [
      {
        name: 'good',
        url: good.url,
        deadletterafter: '200ms',
        timeout: '30s',
        backoff: '50ms',
        threshold: 2,
      },
      { name: 'bad', url: bad.url, backoff: '50ms', threshold: 2, maxbackoff: '100ms' },
    ],
  }
  bad.answer = (_, response) => response.writeHead(500).end()
  const registry = stack.use(await NotifyingRegistryUnderTest.start({ notifications, storage }))
  const file = `${folder.path}/config.yml`
  await writeFile(
    file,
    JSON.stringify({ version: 0.1, storage, http: { addr: '127.0.0.1:0' }, notifications }),
  )
  const run = (...args: string[]) => runEntrepot(['events', ...args], { timeoutMs: 90_000 })
  const summaries = async (): Promise<Record<string, Summary>> => {
    const { stdout } = await run('list', file, '--json')
    const lines = stdout.trim().split('\n')
    return Object.fromEntries(lines.map((line) => JSON.parse(line)).map((one) => [one.endpoint, one]))
  }
  return { registry, good, file, run, summaries, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const patiently = { timeout: 60_000, interval: 200 }

test('what waits is listed, shown, replayed and dropped', { timeout: 240_000 }, async () => {
  await using setup = await start()
  const { registry, good, file, run, summaries } = setup
  await registry.client.pushBlob('a', Buffer.from('one'))
  await expect.poll(() => good.events.length, patiently).toBe(1)
  const [told] = good.events

  // Again, under the same id.
  expect(await run('replay', 'good', file, '--since', '1h')).toMatchObject({
    ...{ code: 0, stdout: 'is being delivered\n', stderr: '' },
  })
  await expect.poll(() => good.events.length, patiently).toBe(2)
  expect(good.events[1]?.id).toBe(told?.id)

  // A dead letter, which is shown, and delivered when that is asked for.
  good.answer = (_, response) => response.writeHead(503).end()
  await registry.client.pushBlob('a', Buffer.from('two'))
  await expect.poll(async () => (await summaries()).good?.dead.length, patiently).toBe(1)
  const [letter] = (await summaries()).good?.dead ?? []
  const id = letter?.event.id ?? ''
  expect(letter?.reason).toBe('503')
  const shown = await run('show', id, file)
  expect(JSON.parse(shown.stdout)).toMatchObject({
    ...{ where: 'a dead letter of good: 503', event: { id, action: 'push' } },
  })
  const list = await run('list', file)
  expect(list.stdout).toMatch(
    new RegExp(`good: \\d+ in the log, 0 repositories held, 1 dead letters\n  dead  ${id}`),
  )
  good.answer = (_, response) => response.end()
  good.forget()
  expect(await run('replay', 'good', file, '--dead', '--id', id)).toMatchObject({ code: 0 })
  await expect.poll(() => good.events.map((event) => event.id), patiently).toContain(id)

  // What is dropped is told no more.
  await expect.poll(async () => (await summaries()).bad?.held.length, patiently).toBe(1)
  expect(await run('drop', 'bad', file, '--waiting')).toMatchObject({
    ...{ code: 0, stdout: 'what was waiting is dropped\n' },
  })
  expect((await summaries()).bad).toMatchObject({ held: [], waiting: 0 })
  expect(await run('drop', 'good', file, '--dead')).toMatchObject({ stdout: '0 dead letters dropped\n' })
})

test('what makes no sense is refused', { timeout: 120_000 }, async () => {
  await using setup = await start()
  const { file, run } = setup
  const results = await Promise.all([
    run('replay', 'nobody', file, '--since', '1h'),
    run('show', 'unknown', file),
    run('replay', 'good', file),
    run('drop', 'good', file, '--waiting', '--dead'),
    run('replay', 'good', file, '--since', 'yesterday'),
  ])
  expect(results.map(({ stderr }) => stderr)).toEqual([
    expect.stringContaining('there is no endpoint nobody in the outbox, but: good, bad'),
    expect.stringContaining('no event unknown is kept'),
    expect.stringContaining('replay takes either --since or --dead'),
    expect.stringContaining('drop takes either --waiting or --dead'),
    expect.stringContaining('--since takes a duration such as 1h, or a date, not yesterday'),
  ])
  for (const { code } of results) expect(code).not.toBe(0)
})
