import { readBody } from '../../client/authorization.ts'
import type { ImageManifest, ImageSource } from '../../client/copy/image-store.ts'
import { platformManifest } from '../../client/copy/platforms.ts'
import { isHost, parseHost } from '../../client/image-reference.ts'
import { isDigest } from '../../core/digest.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import type { CommandModule } from '../table/command.ts'
import { UsageError } from '../usage-error.ts'
import { imageOf, openSource, parseImageName, referenceIn } from './images.ts'
import { CONNECTION, helpText, JSON_OPTION, type OptionTexts, PLATFORM } from './options.ts'
import type { Registries } from './registries.ts'
import { print, withRegistries } from './session.ts'
import { platformOption } from './transfer.ts'

const MAX_CONFIG_BYTES = 16 * 1024 ** 2

const LS = {
  'full-ref': { type: 'boolean', text: 'whole names' },
  'omit-digest-tags': { type: 'boolean', text: 'without tags that are made of digests, as signatures have' },
  ...JSON_OPTION,
  ...CONNECTION,
} as const satisfies OptionTexts

const LS_HELP = helpText(
  ['ls <repository>', 'ls <registry>'],
  'Lists the tags of a repository, or the repositories of a registry.',
  LS,
)

/** Runs `entrepot ls`.
 *  @throws UsageError; UpstreamError */
export function ls(args: readonly string[]): Promise<void> {
  return withRegistries(args, { help: LS_HELP, options: LS }, async ({ values, positionals, registries }) => {
    const name = one(positionals, 'ls takes a repository or a registry')
    const { json = false, 'full-ref': isFull = false, 'omit-digest-tags': omits = false } = values
    const isRegistry = isHost(name.replace(/^https?:\/\//, '').replace(/\/$/, ''))
    const place = isRegistry ? { host: hostOf(name), repository: undefined } : imageOf(name)
    const client = await registries.client({
      host: place.host,
      ...(place.repository && { repository: place.repository }),
    })
    const names = place.repository === undefined ? client.repositories() : client.tags(place.repository)
    const join = place.repository === undefined ? `${place.host}/` : `${place.host}/${place.repository}:`
    const found: string[] = []
    for await (const text of names) {
      if (omits && /^sha(?:256|512)-[0-9a-f]{64,128}(?:\..+)?$/.test(text)) continue
      const line = isFull ? `${join}${text}` : text
      if (json) found.push(line)
      else print(line)
    }
    if (json) print(JSON.stringify(found))
  })
}

const MANIFEST = { ...JSON_OPTION, ...PLATFORM, ...CONNECTION } as const satisfies OptionTexts

const MANIFEST_HELP = helpText(
  ['manifest <image>'],
  'Prints the manifest of an image, byte for byte.',
  MANIFEST,
)

/** Runs `entrepot manifest`. */
export function manifest(args: readonly string[]): Promise<void> {
  return withRegistries(
    args,
    { help: MANIFEST_HELP, options: MANIFEST },
    async ({ values, positionals, registries }) => {
      const name = one(positionals, 'manifest takes an image')
      const { manifest: found } = await find(name, { registries, platform: values.platform })
      process.stdout.write(found.payload)
    },
  )
}

const DIGEST_HELP = helpText(['digest <image>'], 'Prints the digest of an image.', MANIFEST)

/** Runs `entrepot digest`. */
export function digest(args: readonly string[]): Promise<void> {
  return withRegistries(
    args,
    { help: DIGEST_HELP, options: MANIFEST },
    async ({ values, positionals, registries }) => {
      const name = one(positionals, 'digest takes an image')
      const { digest, mediaType } = (await find(name, { registries, platform: values.platform })).manifest
      print(values.json ? JSON.stringify({ name, digest, mediaType }) : digest)
    },
  )
}

const INSPECT = {
  config: { type: 'boolean', text: 'the config of the image' },
  raw: { type: 'boolean', text: 'the manifest, or with --config the config, byte for byte' },
  'no-tags': { type: 'boolean', short: 'n', text: 'without the list of tags' },
  ...JSON_OPTION,
  ...PLATFORM,
  ...CONNECTION,
} as const satisfies OptionTexts

const INSPECT_HELP = helpText(
  ['inspect <image>'],
  `Prints JSON about an image, in the form of skopeo inspect. Of an index it is about the platform; without --platform, about
linux/amd64 or the first.`,
  INSPECT,
)

/** Runs `entrepot inspect`. */
export function inspect(args: readonly string[]): Promise<void> {
  return withRegistries(
    args,
    { help: INSPECT_HELP, options: INSPECT },
    async ({ values, positionals, registries }) => {
      const name = one(positionals, 'inspect takes an image')
      const { config: isConfig = false, raw = false, 'no-tags': noTags = false, platform } = values
      const { source, named, manifest: image } = await find(name, { registries, platform })
      if (raw && !isConfig) return void process.stdout.write(image.payload)
      const shown = platform === undefined ? await defaultPlatform(source, image) : image
      const config = await configOf(source, shown)
      if (isConfig)
        return void process.stdout.write(
          raw ? config : `${JSON.stringify(JSON.parse(config.toString()), undefined, 4)}\n`,
        )
      const tags = noTags ? [] : await tagsOf(source)
      print(JSON.stringify(summary({ source, named, shown, config, tags }), undefined, 4))
    },
  )
}

interface Found {
  readonly source: ImageSource
  /** What the name is of. */
  readonly named: ImageManifest
  /** The platform's, if one was asked for. */
  readonly manifest: ImageManifest
}

async function find(
  text: string,
  { registries, platform }: { registries: Registries; platform: string | undefined },
): Promise<Found> {
  const name = parseImageName(text)
  const source = await openSource(name, registries)
  const named = await source.manifest(referenceIn(name))
  const wanted = platformOption(platform)
  const manifest = wanted === undefined ? named : await platformManifest(source, named, wanted)
  return { source, named, manifest }
}

async function defaultPlatform(source: ImageSource, named: ImageManifest): Promise<ImageManifest> {
  try {
    return await platformManifest(source, named, { os: 'linux', architecture: 'amd64', variant: undefined })
  } catch (error) {
    const first = named.references.find(({ kind }) => kind === 'manifest')
    if (!(error instanceof UpstreamError) || error.code !== 'NOT_FOUND' || first === undefined) throw error
    return source.manifest(first.descriptor.digest)
  }
}

/** Empty JSON for an image that has none. */
async function configOf(source: ImageSource, { payload }: ImageManifest): Promise<Buffer> {
  const { config } = JSON.parse(Buffer.from(payload).toString())
  const digest = String(config?.digest)
  if (!isDigest(digest)) return Buffer.from('{}')
  const chunks = await source.openBlob(digest, { start: 0 })
  return readBody(chunks, MAX_CONFIG_BYTES)
}

async function tagsOf(source: ImageSource): Promise<string[]> {
  const tags: string[] = []
  for await (const tag of source.tags()) tags.push(tag)
  return tags
}

interface Shown {
  readonly source: ImageSource
  readonly named: ImageManifest
  readonly shown: ImageManifest
  readonly config: Buffer
  readonly tags: readonly string[]
}

/** The fields of skopeo-inspect(1). */
function summary({ source, named, shown, config, tags }: Shown) {
  const { created, docker_version, architecture, os, config: settings } = jsonOr(config, {})
  const document = JSON.parse(Buffer.from(shown.payload).toString())
  const layers: { mediaType: string; digest: string; size: number; annotations?: object }[] =
    document.layers ?? []
  return {
    Name: source.name,
    Digest: named.digest,
    RepoTags: tags,
    Created: created ?? null,
    DockerVersion: docker_version ?? '',
    Labels: settings?.Labels ?? null,
    Architecture: architecture ?? '',
    Os: os ?? '',
    Layers: layers.map((layer) => layer.digest),
    LayersData: layers.map((layer) => ({
      ...{ MIMEType: layer.mediaType, Digest: layer.digest, Size: layer.size },
      Annotations: layer.annotations ?? null,
    })),
    Env: settings?.Env ?? null,
  }
}

/** The config of an artifact may be anything. */
function jsonOr(bytes: Buffer, fallback: object) {
  try {
    return Object(JSON.parse(bytes.toString()))
  } catch {
    return fallback
  }
}

function hostOf(text: string): string {
  const host = parseHost(text)
  if (host === undefined) throw new UsageError(`not a registry: ${text}`)
  return host
}

export function one(operands: readonly string[], what: string): string {
  const [first, ...others] = operands
  if (first === undefined || others.length > 0) throw new UsageError(what)
  return first
}

export const lsCommand: CommandModule = { help: LS_HELP, options: LS, run: ls }
export const manifestCommand: CommandModule = { help: MANIFEST_HELP, options: MANIFEST, run: manifest }
export const digestCommand: CommandModule = { help: DIGEST_HELP, options: MANIFEST, run: digest }
export const inspectCommand: CommandModule = { help: INSPECT_HELP, options: INSPECT, run: inspect }
