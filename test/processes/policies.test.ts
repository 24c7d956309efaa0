/** Two registries over one folder: quotas under parallel pushes, and deletions and moves that are undone while collectors run. */
import { writeFile } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import {
  deletionList,
  restoration,
  tagChanges,
  usageSummary,
} from '../../src/http/handlers/extension/lifecycle-answers.ts'
import { imageOf } from '../gc/untagged-images.ts'
import { runEntrepot } from '../support/command.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { RegistryClient } from '../support/registry-client.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const MINUTES_4 = 240_000
const MAX_ATTEMPTS = 20

interface Replicas extends AsyncDisposable {
  readonly urls: readonly [string, string]
  /** The configuration of commands that work on the same folder. */
  readonly file: string
}

async function startTwo(policies: object): Promise<Replicas> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const dataFolder = `${folder.path}/data`
  const maintenance = { gc: { enabled: true, schedule: 'never', grace: '0s', untagged: true } }
  const storage = { filesystem: { rootdirectory: dataFolder }, delete: { enabled: true }, maintenance }
  const config = { http: { addr: '127.0.0.1:0' }, storage, policies }
  const start = async (): Promise<ServerProcess> =>
    stack.use(await startEntrepot({ dataFolder, configFolder: folder.path, config }))
  const urls = [(await start()).url, (await start()).url] as const
  const file = `${folder.path}/commands.yml`
  await writeFile(file, JSON.stringify({ version: 0.1, ...config }))
  const started = stack.move()
  return { urls, file, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

test('of fifty parallel pushes two replicas take what one may more at most, and then both refuse', {
  timeout: MINUTES_4,
}, async () => {
  await using replicas = await startTwo({ quotas: [{ organisation: 'team', bytes: 10_000 }] })
  const { urls } = replicas
  const push = async (index: number) => {
    const blob = Buffer.alloc(1_000, `blob ${index} `)
    const url = `${urls[index % 2]}/v2/team/app-${index % 5}/blobs/uploads/?digest=${digestOf(blob)}`
    return (await fetch(url, { method: 'POST', body: new Uint8Array(blob) })).status
  }
  const statuses = await Promise.all(Array.from({ length: 50 }, (_, index) => push(index)))
  const taken = statuses.filter((status) => status === 201).length
  expect(statuses.filter((status) => status === 403)).toHaveLength(50 - taken)
  expect(taken).toBeGreaterThanOrEqual(10)
  expect(taken).toBeLessThanOrEqual(20)
  for (const url of urls) {
    const begin = async () => (await fetch(`${url}/v2/team/new/blobs/uploads/`, { method: 'POST' })).status
    await expect.poll(begin, { timeout: 60_000, interval: 100 }).toBe(403)
    const used = async () => {
      const answer = await fetch(`${url}/v2/team/app-0/_entrepot/usage/summary`)
      return usageSummary.parse(await answer.json()).quotas[0]?.bytes?.used
    }
    await expect.poll(used, { timeout: 60_000, interval: 100 }).toBe(taken * 1_000)
  }
})

/** Sends what the other replica is busy with again. */
async function send(url: string, options: RequestInit = {}): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(url, options)
    if (answer.status !== 503 || attempt === MAX_ATTEMPTS) return answer
    await answer.arrayBuffer()
  }
}

/** Pushes images as one tag, moves it or deletes it, and undoes that at either replica: at once, or after a collection. */
class UndoingClient {
  readonly #urls: Replicas['urls']
  readonly #place: { readonly repository: string; readonly tag: string }
  readonly #number: number
  readonly #collected: () => number
  #count = 0
  readonly findings: string[] = []

  /** @param collected how many collections have ended */
  constructor(urls: Replicas['urls'], { number, collected }: { number: number; collected: () => number }) {
    this.#urls = urls
    this.#number = number
    this.#collected = collected
    this.#place = { repository: 'team/app', tag: `tag-${number}` }
  }

  get undone(): number {
    return this.#count
  }

  async work(isOver: () => boolean): Promise<void> {
    let standing = await this.#push()
    while (!isOver()) {
      if (this.#isMove) await this.#push()
      else await this.#send('DELETE', `manifests/${this.#place.tag}`, 202)
      const id = await this.#lastChange()
      if (this.#number >= 2) await this.#waitForCollection(isOver)
      const body = JSON.stringify({ id })
      const answer = await this.#send('POST', '_entrepot/trash/restore', 200, { body })
      const restored = restoration.parse(await answer.json())
      if (restored.tags.length !== 1) this.findings.push(`not restored: ${JSON.stringify(restored)}`)
      await this.#requireWhole(standing)
      this.#count++
      if (this.#count % 5 === 0) standing = await this.#push()
    }
  }

  get #isMove(): boolean {
    return (this.#count + this.#number) % 2 === 0
  }

  /** A whole one that begins from now on. */
  async #waitForCollection(isOver: () => boolean): Promise<void> {
    const first = this.#collected()
    await vi.waitUntil(() => isOver() || this.#collected() >= first + 2, { timeout: MINUTES_4, interval: 20 })
  }

  async #push() {
    const { repository, tag } = this.#place
    const image = imageOf(`${tag} ${this.#count} ${Math.random()}`)
    const client = new RegistryClient(this.#url)
    for (const blob of image.blobs) await client.pushBlob(repository, Buffer.from(blob))
    const headers = { 'content-type': MediaType.ociManifest }
    await this.#send('PUT', `manifests/${tag}`, 201, { headers, body: new Uint8Array(image.bytes) })
    return image
  }

  /** The id that undoes what was done last: of a move that of the change, of a deletion its own. */
  async #lastChange(): Promise<string> {
    const { tag } = this.#place
    if (this.#isMove) {
      const answer = await this.#send('GET', `_entrepot/tags/history?tag=${tag}&n=1`, 200)
      return tagChanges.parse(await answer.json()).changes[0]?.id ?? ''
    }
    const { deletions } = deletionList.parse(
      await (await this.#send('GET', '_entrepot/trash/list?n=200', 200)).json(),
    )
    return deletions.find(({ tags }) => tags[0]?.tag === tag)?.id ?? ''
  }

  async #requireWhole({ bytes, blobs }: ReturnType<typeof imageOf>): Promise<void> {
    for (const url of this.#urls) {
      const place = `${url}/v2/${this.#place.repository}`
      const manifest = await send(`${place}/manifests/${this.#place.tag}`)
      if (!Buffer.from(await manifest.arrayBuffer()).equals(bytes))
        this.findings.push(`another manifest: ${manifest.status}`)
      for (const blob of blobs) {
        const found = await send(`${place}/blobs/${digestOf(Buffer.from(blob))}`)
        if ((await found.text()) !== blob) this.findings.push(`a blob is missing: ${found.status}`)
      }
    }
  }

  get #url(): string {
    return this.#urls[Math.random() < 0.5 ? 0 : 1]
  }

  async #send(method: string, path: string, expected: number, options: RequestInit = {}): Promise<Response> {
    const { repository } = this.#place
    const answer = await send(`${this.#url}/v2/${repository}/${path}`, { method, ...options })
    if (answer.status === expected) return answer
    throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  }
}

test('what is undone is whole, whatever is pushed and collected beside it', {
  timeout: MINUTES_4,
}, async () => {
  await using replicas = await startTwo({ history: { enabled: true } })
  let collections = 0
  const collected = () => collections
  const clients = [0, 1, 2, 3].map((number) => new UndoingClient(replicas.urls, { number, collected }))
  let isOver = false
  const working = Promise.all(clients.map((client) => client.work(() => isOver)))
  const collecting = async () => {
    for (; clients.some(({ undone }) => undone === 0); collections++) {
      const { code, stderr } = await runEntrepot(['gc', replicas.file, '--quiet'], { timeoutMs: 120_000 })
      expect([code, stderr]).toEqual([0, ''])
    }
  }
  try {
    await Promise.race([collecting(), working])
  } finally {
    isOver = true
    await working
  }
  expect(clients.flatMap(({ findings }) => findings)).toEqual([])
})
