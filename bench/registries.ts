/** The registries that are compared, and how each is started. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { hashSync } from '@node-rs/bcrypt'
import type { S3Server } from '../test/support/s3-server.ts'
import { type Seed, seededFolder } from './seed.ts'

/** In the order of the columns: the newest peer stands beside Entrepot. */
export const registryIds = ['entrepot', 'baseline', 'distribution3', 'distribution2', 'zot', 'bare'] as const
export type RegistryId = (typeof registryIds)[number]

export interface Registry {
  readonly id: RegistryId
  readonly title: string
  /** The command line of a server on `port` that keeps its data in `folder`. */
  command(folder: string, port: number, variant: Variant): string[]
}

/** Differences from the standard configuration, which has the cache in memory and default logs. */
export interface Variant {
  readonly cache?: 'none' | 'redis'
  /** The address of Redis, for a cache in it. */
  readonly redisAddress?: string
  /** True if the configuration needs keys of Distribution 3. */
  readonly isGeneration3?: boolean
  /** The storage of the content. Default: files. */
  readonly storage?: 's3'
  /** The S3 server that belongs to this server alone. */
  readonly s3?: S3Server
  /** False for no log but of errors. */
  readonly log?: false
  /** The content at the start, beside which nothing is stored. */
  readonly seed?: Seed
  /** Mirrors an upstream that serves one image. */
  readonly mirror?: { readonly bytesPerSecond?: number }
  /** The URL of that upstream. */
  readonly upstreamUrl?: string
  /** Entrepot's own: whether the catalog is indexed. Default: as the registry's own default. */
  readonly index?: boolean
  /** Entrepot's own: every policy is configured. */
  readonly policies?: true
  /** Tells a receiver of everything. */
  readonly notifications?: true
  /** The URL of that receiver. */
  readonly receiverUrl?: string | undefined
  /** Access control. Default: none. */
  readonly access?: AccessVariant
}

export interface AccessVariant {
  /** Entrepot's own: the registry gives out tokens. */
  readonly tokens?: boolean
  /** Entrepot's own: how many rules there are; the last one lets the user in. */
  readonly rules?: number
  /** Entrepot's own: a person of one of the other rules may log in too. */
  readonly others?: boolean
}

export interface RegistryOptions {
  /** Entrepot runs from its build. */
  readonly dist: boolean
  /** Folder of another checkout of Entrepot, ready to start. */
  readonly baseline?: string | undefined
}

/** Returns those of `ids` that are on this machine. */
export function findRegistries(ids: readonly RegistryId[], options: RegistryOptions): Registry[] {
  return ids.flatMap((id) => makers[id](options) ?? [])
}

const root = join(import.meta.dirname, '..')
const makers: Record<RegistryId, (options: RegistryOptions) => Registry | undefined> = {
  entrepot: ({ dist }) => entrepot({ id: 'entrepot', title: 'Entrepot', folder: root, dist }),
  baseline: ({ dist, baseline }) =>
    baseline === undefined
      ? undefined
      : entrepot({ id: 'baseline', title: 'baseline', folder: resolve(baseline), dist }),
  distribution3: () => distribution('distribution3', join(root, '.cache/tools/bin/registry')),
  distribution2: () => distribution('distribution2', 'docker-registry'),
  zot: () => zot(),
  bare: () => ({
    id: 'bare',
    title: 'bare node:http',
    command: (folder, port) => [process.execPath, join(root, 'bench/bare-server.ts'), folder, `${port}`],
  }),
}

function entrepot({
  id,
  title,
  folder,
  dist,
}: Pick<Registry, 'id' | 'title'> & { folder: string; dist: boolean }): Registry {
  const program = join(folder, dist ? 'dist/main.js' : 'src/main.ts')
  return {
    id,
    title: dist ? `${title} (dist)` : title,
    command: (data, port, variant) => [
      process.execPath,
      program,
      'serve',
      writeConfiguration(data, port, variant),
    ],
  }
}

/** Distribution by its program; nothing where that is not on this machine. */
function distribution(id: RegistryId, program: string): Registry | undefined {
  const version = distributionVersion(program)
  if (version === undefined) return undefined
  const command: Registry['command'] = (folder, port, variant) => [
    program,
    'serve',
    writeConfiguration(folder, port, { ...variant, isGeneration3: id === 'distribution3' }),
  ]
  return { id, title: `Distribution ${version}`, command }
}

function distributionVersion(program: string): string | undefined {
  try {
    return /\d+\.\d+\.\d+/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[0]
  } catch {
    return undefined
  }
}

/** zot by its program, which syncs what it stores as the others do; nothing where that is not on this machine. */
function zot(): Registry | undefined {
  try {
    execFileSync('zot', ['--version'], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  const command: Registry['command'] = (
    folder,
    port,
    { seed, storage, mirror, access, cache = 'inmemory', log },
  ) => {
    const hasOwn = seed ?? storage ?? mirror ?? access
    if (hasOwn !== undefined || cache !== 'inmemory') throw new Error('zot is not configured for this here')
    const path = join(folder, 'zot.json')
    const configuration = {
      distSpecVersion: '1.1.1',
      storage: { rootDirectory: join(folder, 'data'), commit: true, gc: false },
      http: { address: '127.0.0.1', port: `${port}` },
      log: { level: log === false ? 'error' : 'info' },
    }
    writeFileSync(path, JSON.stringify(configuration))
    return ['zot', 'serve', path]
  }
  return { id: 'zot', title: 'zot', command }
}

/** Writes the one configuration that both registries take (JSON is YAML) and returns its path. */
function writeConfiguration(folder: string, port: number, variant: Variant): string {
  const path = join(folder, 'config.yml')
  const {
    cache = 'inmemory',
    redisAddress,
    isGeneration3,
    log,
    seed,
    access,
    s3,
    upstreamUrl,
    receiverUrl,
    policies,
    index,
  } = variant
  const configuration = {
    version: '0.1',
    ...(log === false && { log: { level: 'error', accesslog: { disabled: true } } }),
    storage: {
      ...(s3
        ? inBucket(s3)
        : { filesystem: { rootdirectory: seed ? seededFolder(seed) : join(folder, 'data') } }),
      cache: { blobdescriptor: cache },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    ...(upstreamUrl && { proxy: { remoteurl: upstreamUrl } }),
    ...(receiverUrl && { notifications: { endpoints: [{ ...RECEIVER, url: receiverUrl }] } }),
    ...(policies && { policies: POLICIES }),
    ...(index !== undefined && { index: { enabled: index, path: join(folder, 'index.sqlite') } }),
    ...(access && { auth: accessConfiguration(folder, access) }),
    ...(redisAddress && { redis: isGeneration3 ? { addrs: [redisAddress] } : { addr: redisAddress } }),
    http: { addr: `127.0.0.1:${port}`, secret: 'not a secret: the registry of a bench' },
  }
  writeFileSync(path, JSON.stringify(configuration))
  return path
}

/** None of them refuses anything. */
const POLICIES = {
  immutable: [{ repositories: ['**'], tags: ['release-*'] }],
  history: { enabled: true },
  pulls: { enabled: true, interval: '5s' },
  quotas: [{ repositories: ['**'], bytes: '1TiB', tags: 1_000_000 }],
}

const RECEIVER = { name: 'receiver', timeout: '5s', threshold: 5, backoff: '500ms' }

/** Content comes through the registry, never from the server behind it. */
function inBucket(s3: S3Server) {
  return { s3: s3.settings, redirect: { disable: true } }
}

/** The one user of a registry that asks who one is. */
export const LOGIN = { name: 'bench', password: 'not a secret either' }

/** One who sees what the first of the other rules allows. */
export const OTHER_LOGIN = { name: 'user-0', password: LOGIN.password }

function accessConfiguration(folder: string, { tokens = false, rules, others: isShared }: AccessVariant) {
  const users = join(folder, 'users')
  const hash = hashSync(LOGIN.password, BCRYPT_COST)
  const names = [LOGIN, ...(isShared ? [OTHER_LOGIN] : [])].map(({ name }) => name)
  writeFileSync(users, names.map((name) => `${name}:${hash}\n`).join(''))
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
