import { resolve } from 'node:path'
import { startRegistry } from '../app.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { createLogger } from '../observability/logger.ts'
import { reloadOnChange } from './reload.ts'
import { removeStaleSocket } from './stale-socket.ts'
import { version } from './version.ts'

/** Runs the registry until it is told to stop. */
export async function serve(configPath: string | undefined): Promise<void> {
  const { config, source, warnings } = loadConfig({ path: configPath, env: process.env })
  const log = await createLogger(config.log)
  for (const { path, message } of warnings) log.warn({ key: path }, message)
  if (config.http.net === 'unix') await removeStaleSocket(config.http.addr)
  const running = await startRegistry(config, log)
  const stopReloading = reloadOnChange({ configPath, source, running, log })
  stopOnSignal(async (signal) => {
    log.info({ signal, drainMs: config.http.draintimeout }, 'draining')
    stopReloading()
    await running.close()
    log.info({}, 'stopped')
  })
  const facts = {
    address: running.address,
    storage: describeStorage(config),
    config: source ?? 'built-in defaults',
  }
  if (config.log.formatter === 'text') process.stdout.write(banner(facts))
  log.info({ ...facts, version: await version(), pid: process.pid }, 'listening')
}

/** The first signal stops gently; a second one, from somebody who can't wait, at once. */
function stopOnSignal(stop: (signal: NodeJS.Signals) => Promise<void>): void {
  let stopping = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) process.exit(1)
      stopping = true
      stop(signal).then(
        () => process.exit(0),
        (error) => {
          process.stderr.write(`entrepot: stopping failed: ${error}\n`)
          process.exit(1)
        },
      )
    })
  }
}

function describeStorage({ storage }: Config): string {
  return storage.inmemory !== undefined ? 'memory' : resolve(storage.filesystem.rootdirectory)
}

interface Facts {
  address: string
  storage: string
  config: string
}

function banner({ address, storage, config }: Facts): string {
  const authority = address.replace(/^http:\/\//, '')
  const firstPush = address.startsWith('unix:')
    ? ''
    : `
  Push a first image:

    docker pull alpine && docker tag alpine ${authority}/alpine && docker push ${authority}/alpine

  or, without Docker:

    skopeo copy --dest-tls-verify=false docker://docker.io/library/alpine docker://${authority}/alpine
`
  return `
  Entrepot listens on ${address}
  stores in           ${storage}
  configured by       ${config}
${firstPush}
`
}
