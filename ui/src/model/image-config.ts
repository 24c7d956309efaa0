/** The configuration of an image. OCI Image Format Specification 1.1, "OCI Image Configuration". */
import {
  asList,
  asObject,
  asText,
  asTexts,
  type Descriptor,
  type Platform,
  parsePlatform,
} from './manifest.ts'

export interface ImageConfig {
  readonly platform: Platform
  readonly created: string
  readonly author: string
  readonly user: string
  readonly workingDir: string
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  readonly stopSignal: string
  readonly environment: readonly string[]
  readonly ports: readonly string[]
  readonly volumes: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly history: readonly HistoryEntry[]
}

export interface HistoryEntry {
  readonly created: string
  readonly createdBy: string
  readonly comment: string
  readonly isEmptyLayer: boolean
}

export function parseImageConfig(value: unknown): ImageConfig {
  const json = asObject(value)
  const config = asObject(json.config)
  const texts = (found: unknown) => asList(found).map(asText)
  return {
    platform: parsePlatform(json),
    created: asText(json.created),
    author: asText(json.author),
    user: asText(config.User),
    workingDir: asText(config.WorkingDir),
    entrypoint: texts(config.Entrypoint),
    command: texts(config.Cmd),
    stopSignal: asText(config.StopSignal),
    environment: texts(config.Env),
    ports: Object.keys(asObject(config.ExposedPorts)),
    volumes: Object.keys(asObject(config.Volumes)),
    labels: asTexts(config.Labels),
    history: asList(json.history).map(parseHistory),
  }
}

function parseHistory(value: unknown): HistoryEntry {
  const json = asObject(value)
  return {
    created: asText(json.created),
    createdBy: asText(json.created_by),
    comment: asText(json.comment),
    isEmptyLayer: json.empty_layer === true,
  }
}

/** A step that made the image, with the layer that it added, if it added one. */
export interface Step {
  readonly instruction: string
  readonly created: string
  readonly layer: Descriptor | undefined
}

/** The history beside the layers, in order. A history that does not fit the layers is not used: which step
 *  made which layer is unknown then. */
export function stepsOf(layers: readonly Descriptor[], history: readonly HistoryEntry[]): readonly Step[] {
  const adding = history.filter(({ isEmptyLayer }) => !isEmptyLayer)
  if (adding.length !== layers.length) {
    return layers.map((layer) => ({ instruction: '', created: '', layer }))
  }
  let next = 0
  return history.map(({ createdBy, comment, created, isEmptyLayer }) => ({
    instruction: instructionOf(createdBy || comment),
    created,
    layer: isEmptyLayer ? undefined : layers[next++],
  }))
}

/** The instruction of the Dockerfile, without what builders put around it. */
export function instructionOf(createdBy: string): string {
  const text = createdBy.replace(/\s*# buildkit$/, '').trim()
  const noop = /^\/bin\/sh -c #\(nop\)\s+(.*)$/s.exec(text)
  if (noop !== null) return (noop[1] as string).trim()
  const run = /^(?:RUN )?(?:\|\d+ (.*?) )?\/bin\/sh -c (.*)$/s.exec(text)
  return run === null ? text : `RUN ${run[2]}`
}
