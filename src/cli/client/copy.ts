import { ownPlatform } from '../../client/copy/platforms.ts'
import { RegistryImages } from '../../client/copy/registry-images.ts'
import { parseCommand } from '../parse-command.ts'
import type { CommandModule } from '../table/command.ts'
import { UsageError } from '../usage-error.ts'
import {
  type ImageName,
  nameText,
  openSource,
  openTarget,
  parseImageName,
  parseLocalName,
  referenceIn,
  tagIn,
} from './images.ts'
import {
  CONNECTION,
  helpText,
  JSON_OPTION,
  type OptionTexts,
  PLATFORM,
  parseCredentials,
  TRANSFER,
} from './options.ts'
import { type ConnectionValues, Registries } from './registries.ts'
import { platformOption, type Transfer, type TransferValues, transferImages } from './transfer.ts'

const COPY = {
  'all-tags': { type: 'boolean', short: 'a', text: 'all tags of the repository' },
  'src-creds': { type: 'string', value: 'user:password', text: 'for the source' },
  'dest-creds': { type: 'string', value: 'user:password', text: 'for the destination' },
  ...PLATFORM,
  ...TRANSFER,
  ...JSON_OPTION,
  ...CONNECTION,
} as const satisfies OptionTexts

const COPY_HELP = helpText(
  ['copy <source> <destination>', 'copy --all-tags <source repository> <destination repository>'],
  `Copies an image byte for byte, with all its platforms. A source or destination is an image of a registry, or
oci:<folder>[:<name>], oci-archive:<file>[:<name>], docker-archive:<file>[:<name>]. What is there is not sent again; what another
repository of the same registry has is mounted.`,
  COPY,
)

/** Runs `entrepot copy`.
 *  @throws UsageError; UpstreamError; errors of files */
export async function copy(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: COPY_HELP, options: COPY })
  if (parsed === undefined) return
  const { values } = parsed
  const [from, to] = two(parsed.positionals, 'copy takes a source and a destination')
  const names = { source: parseImageName(from), target: parseImageName(to) }
  await move(names, values, {
    source: parseCredentials(values['src-creds']),
    target: parseCredentials(values['dest-creds']),
  })
}

const PULL = {
  format: { type: 'string', value: 'tarball|oci', text: 'of a path that is not there. Default: tarball' },
  ...PLATFORM,
  ...TRANSFER,
  ...JSON_OPTION,
  ...CONNECTION,
} as const satisfies OptionTexts

const PULL_HELP = helpText(
  ['pull <image> <path>'],
  `Pulls an image into an archive, for docker load and podman load, or into an OCI layout: oci:<folder>[:<name>], or the folder. An
archive gets one platform, this machine's by default; a layout gets all.`,
  PULL,
)

/** Runs `entrepot pull`. */
export async function pull(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: PULL_HELP, options: PULL })
  if (parsed === undefined) return
  const { values } = parsed
  const [from, to] = two(parsed.positionals, 'pull takes an image and a path')
  const source = parseImageName(from)
  const target = await parseLocalName(to, formatOf(values.format))
  if (target.kind === 'registry') throw new UsageError('pull takes a path')
  await move({ source, target: named(target, source) }, values)
}

const PUSH = { ...PLATFORM, ...TRANSFER, ...JSON_OPTION, ...CONNECTION } as const satisfies OptionTexts

const PUSH_HELP = helpText(
  ['push <path> <image>'],
  'Pushes an image from an archive (docker save, entrepot pull) or an OCI layout.',
  PUSH,
)

/** Runs `entrepot push`. */
export async function push(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: PUSH_HELP, options: PUSH })
  if (parsed === undefined) return
  const [from, to] = two(parsed.positionals, 'push takes a path and an image')
  const target = parseImageName(to)
  if (target.kind !== 'registry') throw new UsageError('push takes an image of a registry')
  await move({ source: await parseLocalName(from), target }, parsed.values)
}

interface Names {
  readonly source: ImageName
  readonly target: ImageName
}

interface Logins {
  readonly source?: ReturnType<typeof parseCredentials>
  readonly target?: ReturnType<typeof parseCredentials>
}

type Values = TransferValues &
  ConnectionValues & { readonly platform?: string | undefined; readonly 'all-tags'?: boolean | undefined }

async function move({ source: from, target: to }: Names, values: Values, logins: Logins = {}): Promise<void> {
  const registries = new Registries(values)
  try {
    await using source = await openSource(from, registries, { credentials: logins.source })
    const target = await openTarget(to, registries, { credentials: logins.target })
    const needsOne = to.kind === 'docker-archive' && values.platform === undefined
    const platform = needsOne ? ownPlatform() : platformOption(values.platform)
    const allTags = values['all-tags'] ?? false
    if (allTags && target instanceof RegistryImages) await target.lookForTags()
    const transfers = transfersOf({ source, target, platform, from, to, allTags })
    await transferImages(transfers, { values, registries })
  } finally {
    await registries.close()
  }
}

interface Asked extends Pick<Transfer, 'source' | 'target' | 'platform'> {
  readonly from: ImageName
  readonly to: ImageName
  readonly allTags: boolean
}

async function* transfersOf({ from, to, allTags, ...shared }: Asked): AsyncIterable<Transfer> {
  if (!allTags) {
    const names = { from: nameText(from), to: nameText(to) }
    yield { ...shared, ...names, reference: referenceIn(from), tag: tagIn(to) }
    return
  }
  requireRepositories(from, to)
  for await (const tag of shared.source.tags())
    yield { ...shared, reference: tag, tag, from: withTag(from, tag), to: withTag(to, tag) }
}

function requireRepositories(...names: readonly ImageName[]): void {
  for (const name of names) {
    const given = name.kind === 'registry' ? (name.image.tag ?? name.image.digest) : name.name
    if (given !== undefined)
      throw new UsageError(`--all-tags takes repositories: ${nameText(name)} has ${given}`)
  }
}

function withTag(name: ImageName, tag: string): string {
  return `${nameText(name)}:${tag}`
}

/** A layout or an archive calls the image as its source does, if nothing else is said. */
function named(target: ImageName, source: ImageName): ImageName {
  if (target.kind === 'registry' || target.name !== undefined || source.kind !== 'registry') return target
  const { tag, digest } = source.image
  const name = target.kind === 'docker-archive' ? nameText(source) : (tag ?? (digest ? undefined : 'latest'))
  return { ...target, name: target.kind === 'docker-archive' && digest !== undefined ? undefined : name }
}

function formatOf(format = 'tarball'): string {
  const kind = { tarball: 'docker-archive', oci: 'oci' }[format]
  if (kind === undefined) throw new UsageError(`--format is tarball or oci, not ${format}`)
  return kind
}

function two(operands: readonly string[], what: string): [string, string] {
  const [first, second, ...others] = operands
  if (first === undefined || second === undefined || others.length > 0) throw new UsageError(what)
  return [first, second]
}

export const copyCommand: CommandModule = { help: COPY_HELP, options: COPY, run: copy }
export const pullCommand: CommandModule = { help: PULL_HELP, options: PULL, run: pull }
export const pushCommand: CommandModule = { help: PUSH_HELP, options: PUSH, run: push }
