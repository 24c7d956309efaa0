/** Other registries whose content is cached here: Distribution's `proxy` of one, and `mirrors` of many beside
 *  what is hosted. */

import * as z from 'zod'
import { isRepositoryGlob } from '../../core/access/repository-glob.ts'
import { isRepositoryName } from '../../core/reference.ts'
import {
  choice,
  duration,
  filledText,
  integer,
  list,
  network,
  optionalSection,
  scalar,
  section,
  sectionOf,
  size,
  text,
  url,
} from './key.ts'

const WEEK_MS = 168 * 3_600_000

/** A program that gives credentials. */
const exec = optionalSection({
  command: filledText('the name of a credential helper').required(),
  /** Milliseconds; 0 to ask each time, absent to ask once. */
  lifetime: duration().optional(),
})

export const proxy = section({
  remoteurl: url().optional(),
  username: text().or(''),
  password: text().or(''),
  /** Milliseconds; 0 to keep content for ever. */
  ttl: duration().or(WEEK_MS),
  exec,
  /** Milliseconds; 0 for no limit. */
  cachewritetimeout: duration().or(5 * 60_000),
})

/** Docker Hub, which clients call `docker.io`. */
const DOCKER_HUB = { host: 'docker.io', url: 'https://registry-1.docker.io' }

/** A host stands for its registry by https. */
const upstream = scalar('a host such as docker.io, or the URL of a registry', (found) => {
  const written = String(found)
  const full = written.includes('://') ? written : `https://${written}`
  if (!/^https?:\/\//i.test(full) || !URL.canParse(full)) return undefined
  const { host, username, password, search, hash } = new URL(full)
  if (username + password + search + hash !== '' || written === '') return undefined
  return { host, url: host === DOCKER_HUB.host ? DOCKER_HUB.url : full }
})

const host = () =>
  scalar('a host, with its port if it has one', (found) => {
    const written = String(found).toLowerCase()
    return /^[a-z0-9._:[\]-]+$/.test(written) && URL.canParse(`https://${written}`) ? written : undefined
  })

const prefix = scalar('a name such as docker.io or mirrors/hub', (found) =>
  isRepositoryName(String(found)) ? String(found) : undefined,
)

const glob = scalar('a name of a repository, or a glob such as library/**', (found) =>
  isRepositoryGlob(String(found)) ? String(found) : undefined,
)

const mirror = z
  .strictObject({
    upstream: upstream.required(),
    /** Prefix of its repositories here. Default: its host. */
    prefix: prefix.optional(),
    /** Values of `?ns=`, by which containerd names it. Default: its host. */
    namespaces: list(host().required()),
    /** Names of this registry at which it answers as the upstream would, for docker's `registry-mirrors`. */
    hosts: list(host().required()),
    /** The mirrored repositories. Default: all. */
    repositories: list(glob.required()),
    username: text().or(''),
    password: text().or(''),
    exec,
    /** Source of credentials: configured ones, or a cloud's SDK. */
    credentials: choice('static', 'azure', 'ecr', 'google').or('static'),
    /** Milliseconds; 0 to keep content for ever. */
    ttl: duration().or(WEEK_MS),
    /** Bytes; 0 for no limit. */
    maxsize: size().or(0),
    /** Milliseconds that an answer for a tag is good without asking again. */
    revalidate: duration().or(0),
    /** Milliseconds that it is not asked again for what it has not. */
    negativettl: duration().or(30_000),
    /** Milliseconds after which a copy is served while the upstream is silent. */
    staleafter: duration().or(800),
    /** Keeps or removes a tag that the upstream has deleted. */
    ondelete: choice('keep', 'remove').or('keep'),
    lists: choice('cached', 'upstream').or('cached'),
    /** Milliseconds; 0 for no limit. */
    cachewritetimeout: duration().or(5 * 60_000),
    /** Paths of files in PEM. */
    cas: list(filledText('the path of certificates in PEM').required()),
    /** Hosts of other sites that give out its tokens. */
    tokenhosts: list(host().required()),
    /** Private networks that it may redirect to. */
    redirectnetworks: list(network().required()),
  })
  .transform((entry, context) => {
    const { host } = entry.upstream
    const chosen = entry.prefix ?? (isRepositoryName(host) ? host : undefined)
    if (chosen !== undefined) {
      const namespaces = entry.namespaces.length > 0 ? entry.namespaces : [host]
      return { ...entry, prefix: chosen, namespaces }
    }
    const message = `a name such as mirrors/hub: ${host} can't be part of one`
    context.issues.push({ code: 'custom', path: ['prefix'], message, input: host })
    return z.NEVER
  })

export const mirrors = list(sectionOf(mirror)).check(({ value, issues }) => {
  for (const key of ['prefix', 'namespaces', 'hosts'] as const) {
    const seen = new Set<string>()
    for (const [index, entry] of value.entries()) {
      for (const name of [entry[key]].flat()) {
        const message = `found ${name}, which another entry has; accepted: one that no other has`
        if (seen.has(name)) issues.push({ code: 'custom', path: [index, key], message, input: name })
        seen.add(name)
      }
    }
  }
})

/** Settings of all mirrors of a process. */
export const mirroring = section({
  /** A folder for blobs on their way. Default: beside the blobs, or for temporary files if they are not in
   *  files. */
  folder: text().or(''),
  /** Bytes of blobs that are in memory on their way, together; larger ones are in files. */
  memory: size().or(96 * 1024 ** 2),
  /** Limit of concurrent downloads of blobs. */
  maxflights: integer({ min: 1, max: 10_000 }).or(64),
})
