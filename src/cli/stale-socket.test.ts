import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { removeStaleSocket } from './stale-socket.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-socket-'))
  path = join(folder, 'registry.sock')
})
afterEach(() => rm(folder, { recursive: true }))

test('a socket that a killed process left is removed', async () => {
  const script = `require('node:net').createServer().listen(process.argv[1], () => console.log('listening'))`
  const killed = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(killed.stdout, 'data')
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  expect(existsSync(path)).toBe(true)
  await removeStaleSocket(path)
  expect(existsSync(path)).toBe(false)
})

test('a socket that somebody listens on stays', async () => {
  const server = createServer().listen(path)
  await once(server, 'listening')
  try {
    await removeStaleSocket(path)
    expect(existsSync(path)).toBe(true)
  } finally {
    server.close()
  }
})

test('a file that is no socket is not touched, and none at all is no error', async () => {
  await removeStaleSocket(path)
  await writeFile(path, 'precious')
  await removeStaleSocket(path)
  expect(existsSync(path)).toBe(true)
})
