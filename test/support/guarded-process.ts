/** A process that keeps people out. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { basic, htpasswdOf } from './access.ts'
import { entrepotMain } from './command.ts'
import { listeningUrl } from './entrepot-process.ts'
import { ServerProcess } from './server-process.ts'
import { temporaryFolder } from './temporary-folder.ts'

export interface GuardedProcess extends AsyncDisposable {
  readonly server: ServerProcess
  readonly folder: string
  readonly configPath: string
  statusFor(user: string | undefined, repository: string): Promise<number>
}

interface StartOptions {
  /** Another file than `configOf` makes. */
  readonly text?: (folder: string) => string
}

/** Starts `entrepot serve` with the users alice and bob. */
export async function startGuarded(
  auth: (folder: string) => string,
  { text }: StartOptions = {},
): Promise<GuardedProcess> {
  const folder = await temporaryFolder()
  const configPath = join(folder.path, 'config.yml')
  await writeFile(join(folder.path, 'users'), htpasswdOf(['alice', 'bob']))
  await writeFile(configPath, text?.(folder.path) ?? configOf(auth(folder.path)))
  const server = await ServerProcess.start({
    file: process.execPath,
    arguments: [entrepotMain, 'serve', configPath],
    readyUrl: listeningUrl,
  })
  return {
    ...{ server, folder: folder.path, configPath },
    async statusFor(user, repository) {
      const headers = user === undefined ? {} : basic(user)
      return (await fetch(`${server.url}/v2/${repository}/tags/list`, { headers })).status
    },
    async [Symbol.asyncDispose]() {
      await server.kill()
      await folder.remove()
    },
  }
}

/** A configuration with this `auth`, and `http` where there is more of it behind. */
export function configOf(auth: string): string {
  const http = auth.includes('http:') ? '' : "http: {addr: '127.0.0.1:0'}\n"
  return `version: 0.1\nlog: {formatter: json}\nstorage: inmemory\n${http}auth:\n${auth}\n`
}

/** Users with passwords, and rules. */
export const ruled = (rules: string) => (folder: string) =>
  `  htpasswd: {realm: here, path: ${folder}/users}\n  rules: ${rules}`
