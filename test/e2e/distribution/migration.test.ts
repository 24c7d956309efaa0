/** Every command of docs/migrate-from-distribution.md, in its order, in a shell. The programs are real; only `sudo` and `systemctl`
 *  stand for a machine whose services they would start and stop. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { entrepotMain } from '../../support/command.ts'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { freePorts } from '../../support/free-port.ts'
import { gzippedLayer, imageOf } from '../../support/oci-image.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { requireTool } from '../../support/tools.ts'

const PAGE = new URL('../../../docs/migrate-from-distribution.md', import.meta.url)

/** The examples of the page, with its paths below a folder and its ports replaced. */
async function examplesOf(folder: string, ports: readonly number[]): Promise<string> {
  const page = await readFile(PAGE, 'utf8')
  const examples = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, lines = '']) => lines).join('')
  return examples
    .replaceAll(
      /(?:localhost|127\.0\.0\.1):500(\d)/g,
      (_, port: string) => `127.0.0.1:${ports[Number(port)]}`,
    )
    .replaceAll(/(?<=\s)\/etc(?=\/)/g, join(folder, 'etc'))
}

/** @param distribution the program */
async function writePrograms(folder: string, { distribution, port }: { distribution: string; port: number }) {
  const config = (name: string) => join(folder, 'etc', name, 'config.yml')
  const programs = {
    entrepot: `exec "${process.execPath}" "${entrepotMain}" "$@"`,
    sudo: 'exec "$@"',
    systemctl: `
      start() { "$@" > "${folder}/$service.log" 2>&1 & echo $! > "${folder}/$service.pid"; }
      listens() { (exec 3<>/dev/tcp/127.0.0.1/${port}) 2>/dev/null; }
      service=$2
      case "$*" in
        'start docker-registry') start "${requireTool(distribution)}" serve "${config('docker/registry')}" ;;
        'start entrepot') start entrepot serve "${config('entrepot')}" ;;
        'stop '*) kill "$(cat "${folder}/$service.pid")"; while listens; do sleep 0.1; done ;;
        daemon-reload) ;;
        *) exit 1 ;;
      esac`,
  }
  for (const [name, script] of Object.entries(programs)) {
    const path = join(folder, 'bin', name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, `#!/bin/bash\n${script}\n`)
    await chmod(path, 0o755)
  }
}

const image = imageOf([gzippedLayer([{ path: 'file', content: 'content' }])])

/** A folder with the configuration and the data of a registry that Distribution has filled. */
async function fill(folder: string, { distribution, port }: { distribution: string; port: number }) {
  const dataFolder = join(folder, 'data')
  await using server = await startDistribution({ dataFolder, configFolder: folder }, distribution)
  const client = new RegistryClient(server.url)
  await client.pushImage('team/app', { tag: '1.0', image })
  const config = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: dataFolder }, cache: { blobdescriptor: 'inmemory' } },
    http: { addr: `127.0.0.1:${port}`, secret: 'secret' },
  }
  await mkdir(join(folder, 'etc/docker/registry'), { recursive: true })
  await writeFile(join(folder, 'etc/docker/registry/config.yml'), JSON.stringify(config))
}

/** Some thirty commands, each a process. */
const TIMEOUT_MS = 600_000

describeWith(['docker-registry', 'registry', 'curl'], 'the recipe of a migration', () => {
  test.each(['docker-registry', 'registry'])(
    'leads from %s to Entrepot and back',
    { timeout: TIMEOUT_MS },
    async (distribution) => {
      await using folder = await temporaryFolder()
      const ports = await freePorts(2)
      const [port = 0] = ports
      await fill(folder.path, { distribution, port })
      await writePrograms(folder.path, { distribution, port })
      const examples = await examplesOf(folder.path, ports)
      expect(examples.split('\n').length).toBeGreaterThan(30)
      const shell = spawn('bash', ['-c', `${BEGINNING}\n${examples}`], {
        cwd: folder.path,
        env: {
          ...process.env,
          ...{ PATH: `${join(folder.path, 'bin')}:${process.env.PATH}`, PORT: String(port) },
          ...{ HOME: folder.path, DOCKER_CONFIG: folder.path, OTEL_TRACES_EXPORTER: 'none' },
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const [said, complaints, [code]] = await Promise.all([
        text(shell.stdout),
        text(shell.stderr),
        once(shell, 'close'),
      ])
      expect({ code, complaints: code === 0 ? '' : said + complaints }).toEqual({ code: 0, complaints: '' })
      const { digest } = image.manifest.descriptor
      expect(await readFile(join(folder.path, 'before.txt'), 'utf8')).toBe(
        `migrated/app:1.0 ${digest}\nteam/app:1.0 ${digest}\n`,
      )
    },
  )
})

/** Whatever fails, the services end with the shell. */
const BEGINNING = `
set -eo pipefail
trap 'kill $(jobs -p) $(cat *.pid) 2>/dev/null || true' EXIT
systemctl start docker-registry
until curl --silent --fail --output /dev/null "http://127.0.0.1:$PORT/"; do sleep 0.1; done
`
