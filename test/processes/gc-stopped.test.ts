/** A command that collects garbage and is stopped by a signal for longer than its lease: another one takes its place, and what it would
 *  still do when it goes on harms nothing. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { collectionState } from '../../src/core/collection/collection-state.ts'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { blobPath } from '../../src/registry/paths.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { entrepotMain, runEntrepot } from '../support/command.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const GARBAGE = 1_500
const MINUTES_4 = 240_000

const nameOf = (index: number) => `garbage ${index}`

test.concurrent.each(['condemned', 'sealed'] as const)(
  'a collector that is stopped while the state is %s',
  async (phase) => {
    await using folder = await temporaryFolder()
    const dataFolder = `${folder.path}/data`
    const maintenance = { gc: { enabled: true, schedule: 'never', grace: '0s' } }
    const storage = { filesystem: { rootdirectory: dataFolder }, maintenance }
    const config = { http: { addr: '127.0.0.1:0' }, storage }
    const file = `${folder.path}/gc.yml`
    await writeFile(file, JSON.stringify({ version: 0.1, ...config }))
    const driver = await FilesystemDriver.open({ root: dataFolder })
    for (let index = 0; index < GARBAGE; index++) {
      const bytes = Buffer.from(nameOf(index))
      await driver.put(blobPath(digestOf(bytes)), bytes, { durable: false })
    }
    await using registry = await startEntrepot({ dataFolder, configFolder: folder.path, config })
    const client = new RegistryClient(registry.url)
    const push = async (tag: string, blobs: readonly string[]) => {
      for (const blob of blobs) await client.pushBlob('a', Buffer.from(blob))
      const [first = '', ...layers] = blobs
      const json = imageJson({
        config: descriptorOf(first),
        layers: layers.map((layer) => descriptorOf(layer)),
      })
      const body = Buffer.from(payloadOf(json))
      const headers = { 'content-type': MediaType.ociManifest }
      const put = await fetch(`${registry.url}/v2/a/manifests/${tag}`, { method: 'PUT', headers, body })
      expect(put.status).toBe(201)
    }

    const child = spawn(process.execPath, [entrepotMain, 'gc', file, '--quiet'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const ended = Promise.all([once(child, 'close'), text(child.stderr)])
    try {
      const state = collectionState(driver)
      while ((await state.get())?.state.phase !== phase) await delay(1)
      child.kill('SIGSTOP')
      expect((await state.get())?.state.phase).toBe(phase)
      // What is condemned is needed again.
      if (phase === 'condemned') await push('meanwhile', [nameOf(1), nameOf(2)])
      const second = await runEntrepot(['gc', file, '--json'], { timeoutMs: MINUTES_4 })
      expect([second.code, second.stderr]).toEqual([0, ''])
      // What was being deleted is pushed again, and acknowledged.
      const again = Array.from({ length: 40 }, (_, index) => nameOf(index * 37))
      await push('again', again)
      child.kill('SIGCONT')
      const [[code], stderr] = await ended
      expect([code, stderr]).toEqual([1, expect.stringMatching(/taken over|FENCE_CLOSED/)])
      for (const blob of [...again, ...(phase === 'condemned' ? [nameOf(1), nameOf(2)] : [])]) {
        const answer = await fetch(`${registry.url}/v2/a/blobs/${digestOf(Buffer.from(blob))}`)
        expect([answer.status, await answer.text()]).toEqual([200, blob])
      }
      expect((await runEntrepot(['verify', 'a', file], { timeoutMs: MINUTES_4 })).code).toBe(0)
    } finally {
      child.kill('SIGKILL')
    }
  },
)
