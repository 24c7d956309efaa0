import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { ServerProcess } from './server-process.ts'
import { requireTool } from './tools.ts'

export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  /** Empty for the first of a trace. */
  readonly parentSpanId: string
  readonly name: string
  readonly isFailed: boolean
  readonly attributes: Readonly<Record<string, string>>
  /** Of what made it. */
  readonly resource: Readonly<Record<string, string>>
}

/** A collector of OpenTelemetry, which receives OTLP over HTTP and writes spans to a file. */
export class OtelCollector implements AsyncDisposable {
  readonly #process: ServerProcess
  readonly #file: string

  private constructor(process: ServerProcess, file: string) {
    this.#process = process
    this.#file = file
  }

  /** @param folder for its configuration and its file */
  static async start(folder: string): Promise<OtelCollector> {
    const endpoint = `127.0.0.1:${await freePort()}`
    const file = join(folder, 'spans.json')
    const config = {
      receivers: { otlp: { protocols: { http: { endpoint } } } },
      exporters: { file: { path: file, flush_interval: '50ms' } },
      service: {
        pipelines: { traces: { receivers: ['otlp'], exporters: ['file'] } },
      },
    }
    const configFile = join(folder, 'collector.yml')
    await writeFile(configFile, JSON.stringify(config))
    const process = await ServerProcess.start({
      file: requireTool('otel-collector'),
      arguments: ['--config', configFile],
      workingFolder: folder,
      readyUrl: (line) => (line.includes('Everything is ready') ? `http://${endpoint}` : undefined),
    })
    return new OtelCollector(process, file)
  }

  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  get url(): string {
    return this.#process.url
  }

  /** All spans that it has received and written so far. */
  async spans(): Promise<CollectedSpan[]> {
    const text = await readFile(this.#file, 'utf8')
    // The last line may not be complete yet.
    const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
    return lines.filter(Boolean).flatMap((line) => spansOf(JSON.parse(line)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.kill()
  }
}

interface Attribute {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}

/** OTLP in JSON. https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
interface Batch {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes?: readonly Attribute[] }
    readonly scopeSpans: readonly {
      readonly spans: readonly (Pick<CollectedSpan, 'traceId' | 'spanId' | 'name'> & {
        readonly parentSpanId?: string
        readonly attributes?: readonly Attribute[]
        readonly status?: { readonly code?: number }
      })[]
    }[]
  }[]
}

const ERROR = 2

function spansOf({ resourceSpans }: Batch): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans
      .flatMap(({ spans }) => spans)
      .map(({ traceId, spanId, parentSpanId = '', name, attributes, status }) => ({
        ...{ traceId, spanId, parentSpanId, name, isFailed: status?.code === ERROR },
        attributes: valuesOf(attributes),
        resource: valuesOf(resource.attributes),
      })),
  )
}

function valuesOf(attributes: readonly Attribute[] = []): Record<string, string> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, String(Object.values(value)[0])]))
}
