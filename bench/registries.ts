/** The registries that are compared, and how each is started. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashSync } from '@node-rs/bcrypt'
import type { S3Server } from '../test/support/s3-server.ts'

export const registryIds = ['entrepot', 'distribution', 'bare'] as const
export type RegistryId = (typeof registryIds)[number]

export interface Registry {
  readonly id: RegistryId
  readonly title: string
  /** The command line of a server on `port` that keeps its data in `folder`. */
  command(folder: string, port: number, variant: Variant): string[]
}

/** What a row has configured otherwise than the others: the cache is in memory and the access log is off. */
export interface Variant {
  readonly cache?: 'none' | 'redis'
  /** Where Redis is, for a cache in it. */
  readonly redisAddress?: string
  /** Where the content is; without it, in files. */
  readonly storage?: 's3'
  /** The S3 server that belongs to this server alone. */
  readonly s3?: S3Server
  readonly accessLog?: boolean
  /** Who may do what: without it, everybody everything. */
  readonly access?: AccessVariant
}

export interface AccessVariant {
  /** Entrepot's own: the registry gives out tokens. */
  readonly tokens?: boolean
  /** Entrepot's own: how many rules there are; the last one lets the user in. */
  readonly rules?: number
}

/** Returns those of `ids` that are on this machine. With `dist`, Entrepot runs from its build. */
export function findRegistries(ids: readonly RegistryId[], options: { dist: boolean }): Registry[] {
  return ids.flatMap((id) => makers[id](options) ?? [])
}

const root = join(import.meta.dirname, '..')
const makers: Record<RegistryId, (options: { dist: boolean }) => Registry | undefined> = {
  entrepot: ({ dist }) => ({
    id: 'entrepot',
    title: dist ? 'Entrepot (dist)' : 'Entrepot',
    command: (folder, port, variant) => [
      process.execPath,
      join(root, dist ? 'dist/main.js' : 'src/main.ts'),
      'serve',
      writeConfiguration(folder, port, variant),
    ],
  }),
  distribution: () => {
    const version = distributionVersion()
    if (version === undefined) return undefined
    const command: Registry['command'] = (folder, port, variant) => [
      'docker-registry',
      'serve',
      writeConfiguration(folder, port, variant),
    ]
    return { id: 'distribution', title: `Distribution ${version}`, command }
  },
  bare: () => ({
    id: 'bare',
    title: 'bare node:http',
    command: (folder, port) => [process.execPath, join(root, 'bench/bare-server.ts'), folder, `${port}`],
  }),
}

/** The version of the `docker-registry` on the PATH, or nothing where there is none. */
function distributionVersion(): string | undefined {
  try {
    return /\d+\.\d+\.\d+/.exec(execFileSync('docker-registry', ['--version'], { encoding: 'utf8' }))?.[0]
  } catch {
    return undefined
  }
}

/** Writes the one configuration that both registries take (JSON is YAML) and returns its path. */
function writeConfiguration(folder: string, port: number, variant: Variant): string {
  const path = join(folder, 'config.yml')
  const { cache = 'inmemory', redisAddress, accessLog = false, access, s3 } = variant
  const configuration = {
    version: '0.1',
    log: accessLog ? { level: 'info', formatter: 'json' } : { level: 'error', accesslog: { disabled: true } },
    storage: {
      ...(s3 ? inBucket(s3) : { filesystem: { rootdirectory: join(folder, 'data') } }),
      cache: { blobdescriptor: cache },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    ...(access && { auth: accessConfiguration(folder, access) }),
    ...(redisAddress && { redis: { addr: redisAddress } }),
    http: { addr: `127.0.0.1:${port}`, secret: 'not a secret: the registry of a bench' },
  }
  writeFileSync(path, JSON.stringify(configuration))
  return path
}

/** Content comes through the registry, never from the server behind it. */
function inBucket(s3: S3Server) {
  return { s3: s3.settings, redirect: { disable: true } }
}

/** The one user of a registry that asks who one is. */
export const LOGIN = { name: 'bench', password: 'not a secret either' }

function accessConfiguration(folder: string, { tokens = false, rules }: AccessVariant) {
  const users = join(folder, 'users')
  writeFileSync(users, `${LOGIN.name}:${hashSync(LOGIN.password, BCRYPT_COST)}\n`)
  const own = { repositories: ['**'], who: [LOGIN.name], actions: ['*'] }
  const others = Array.from({ length: (rules ?? 1) - 1 }, (_, index) => ({
    repositories: [`team-${index}/**`],
    who: [`user-${index}`],
    actions: ['*'],
  }))
  return {
    htpasswd: { realm: 'bench', path: users },
    ...(tokens && { issuer: { keys: join(folder, 'keys.json') } }),
    ...(rules !== undefined && { rules: [...others, own] }),
  }
}

const BCRYPT_COST = 10
