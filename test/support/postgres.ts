/** A PostgreSQL of its own, in a temporary folder. */
import { execFile, execFileSync } from 'node:child_process'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './free-port.ts'

const PROGRAMS = '/usr/lib/postgresql/15/bin'
const run = promisify(execFile)

export class Postgres implements AsyncDisposable {
  readonly url: string
  readonly #folder: string

  private constructor(folder: string, port: number) {
    this.#folder = folder
    this.url = `postgres://test@127.0.0.1:${port}/postgres`
  }

  static async start(): Promise<Postgres> {
    const folder = await mkdtemp(join(tmpdir(), 'entrepot-postgres-'))
    await chown(folder, owner.uid, owner.gid)
    const data = join(folder, 'data')
    await run(`${PROGRAMS}/initdb`, ['-D', data, '-U', 'test', '--auth', 'trust', '-E', 'UTF8', '-N'], owner)
    const port = await freePort()
    const options = `-p ${port} -h 127.0.0.1 -k ${folder} -F`
    await run(
      `${PROGRAMS}/pg_ctl`,
      ['-D', data, '-w', '-l', join(folder, 'log'), '-o', options, 'start'],
      owner,
    )
    return new Postgres(folder, port)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run(
      `${PROGRAMS}/pg_ctl`,
      ['-D', join(this.#folder, 'data'), '-w', '-m', 'immediate', 'stop'],
      owner,
    )
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** It refuses to run as root. */
const owner = { ...unprivileged(), cwd: '/' }

function unprivileged(): { uid: number; gid: number } {
  const [uid = 0, gid = 0] = [process.getuid?.(), process.getgid?.()]
  if (uid !== 0) return { uid, gid }
  const idOf = (option: string) => Number(execFileSync('id', [option, 'nobody']).toString())
  return { uid: idOf('-u'), gid: idOf('-g') }
}
