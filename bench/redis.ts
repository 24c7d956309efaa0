/** A Redis of the bench's own, for the rows whose cache is in one. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { freePort } from './free-port.ts'

export interface RunningRedis {
  readonly address: string
  stop(): Promise<void>
}

/** @throws Error where `redis-server` is not on the PATH */
export async function startRedis(folder: string): Promise<RunningRedis> {
  const port = await freePort()
  const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const child = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'ignore'] })
  const kill = () => child.kill('SIGKILL')
  process.on('exit', kill)
  await new Promise<void>((resolve, reject) => {
    child.on('error', () => reject(new Error('redis-server is not on this machine')))
    child.on('exit', () => reject(new Error('redis-server ended')))
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes('Ready to accept connections')) resolve()
    })
  })
  const stop = async (): Promise<void> => {
    const ended = new Promise((resolve) => child.once('close', resolve))
    kill()
    await ended
    process.off('exit', kill)
  }
  return { address: `127.0.0.1:${port}`, stop }
}
