/** Clients that push small images and ask for a blob, as long as something else runs. */
import { hash, randomUUID } from 'node:crypto'

export interface ClientFigures {
  readonly pushes: number
  readonly pushesPerSecond: number
  /** Of a HEAD of a blob, in milliseconds. */
  readonly headP99: number
}

const PUSHERS = 2

/** @param during the clients go on until it resolves */
export async function runClients(url: string, during: Promise<unknown>): Promise<ClientFigures> {
  let isOver = false
  const ended = during.finally(() => {
    isOver = true
  })
  const startedAt = performance.now()
  let pushes = 0
  const push = async (pusher: number) => {
    while (!isOver) {
      await pushImage(url, `bench/pusher-${pusher}`)
      pushes++
    }
  }
  const heads: number[] = []
  const blob = `${url}/v2/bench/head/blobs/${await pushBlob(url, 'bench/head', 'asked for')}`
  const head = async () => {
    while (!isOver) {
      const askedAt = performance.now()
      expectStatus(await fetch(blob, { method: 'HEAD' }), 200)
      heads.push(performance.now() - askedAt)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  await Promise.all([ended, head(), ...Array.from({ length: PUSHERS }, (_, pusher) => push(pusher))])
  heads.sort((one, other) => one - other)
  return {
    pushes,
    pushesPerSecond: (1000 * pushes) / (performance.now() - startedAt),
    headP99: heads[Math.floor(heads.length * 0.99)] ?? Number.NaN,
  }
}

/** Pushes so many images, two at a time. */
export async function pushImages(url: string, images: number): Promise<void> {
  let left = images
  const work = async (pusher: number) => {
    while (left-- > 0) await pushImage(url, `bench/pusher-${pusher}`)
  }
  await Promise.all(Array.from({ length: PUSHERS }, (_, pusher) => work(pusher)))
}

async function pushImage(url: string, repository: string): Promise<void> {
  const described = async (content: string) => ({
    digest: await pushBlob(url, repository, content),
    size: content.length,
  })
  const type = 'application/vnd.oci.image'
  const config = { mediaType: `${type}.config.v1+json`, ...(await described(`{"id":"${randomUUID()}"}`)) }
  const layer = { mediaType: `${type}.layer.v1.tar`, ...(await described(randomUUID().repeat(100))) }
  const mediaType = `${type}.manifest.v1+json`
  const body = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [layer] })
  const headers = { 'content-type': mediaType }
  expectStatus(await fetch(`${url}/v2/${repository}/manifests/latest`, { method: 'PUT', headers, body }), 201)
}

async function pushBlob(url: string, repository: string, content: string): Promise<string> {
  const digest = `sha256:${hash('sha256', content, 'hex')}`
  const upload = `${url}/v2/${repository}/blobs/uploads/?digest=${digest}`
  expectStatus(await fetch(upload, { method: 'POST', body: content }), 201)
  return digest
}

function expectStatus({ status, url }: Response, expected: number): void {
  if (status !== expected) throw new Error(`${url} answered ${status}, not ${expected}`)
}
