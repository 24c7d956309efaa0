import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Context,
  type Span as RecordedSpan,
  ROOT_CONTEXT,
  SpanKind,
  type Tracer as SpanSource,
  type SpanStatus,
  SpanStatusCode,
  type TextMapPropagator,
  trace,
} from '@opentelemetry/api'
import type {
  RequestSpan,
  RequestTracer,
  Span,
  SpanAttributes,
  SpanOptions,
  Tracer,
} from '../core/tracing/tracer.ts'

const KINDS = { internal: SpanKind.INTERNAL, client: SpanKind.CLIENT, producer: SpanKind.PRODUCER } as const

const FAILED: SpanStatus = { code: SpanStatusCode.ERROR }

/** Spans of OpenTelemetry. The current one is kept by asynchronous context. */
export class Spans implements Tracer, RequestTracer {
  readonly #source: SpanSource
  readonly #propagator: TextMapPropagator
  readonly #current = new AsyncLocalStorage<Context>()

  constructor(source: SpanSource, propagator: TextMapPropagator) {
    this.#source = source
    this.#propagator = propagator
  }

  begin({ name, headers, attributes }: Parameters<RequestTracer['begin']>[0]): RequestSpan {
    const parent = this.#propagator.extract(ROOT_CONTEXT, headers, GETTER)
    const span = this.#source.startSpan(
      name,
      { kind: SpanKind.SERVER, attributes: defined(attributes) },
      parent,
    )
    const context = trace.setSpan(parent, span)
    return {
      isRecorded: span.isRecording(),
      run: (work) => this.#current.run(context, work),
      rename: (to) => span.updateName(to),
      end: () => span.end(),
      ...handleOf(span),
    }
  }

  async inSpan<Result>(options: SpanOptions, work: (span: Span) => Promise<Result>): Promise<Result> {
    const begun = this.#beginChild(options)
    if (begun === undefined) return work(UNRECORDED)
    const { span, context } = begun
    try {
      return await this.#current.run(context, () => work(handleOf(span)))
    } catch (error) {
      report(error, span)
      throw error
    } finally {
      span.end()
    }
  }

  aroundSteps<Item>(options: SpanOptions, source: AsyncIterable<Item>): AsyncIterable<Item> {
    const parent = this.#current.getStore()
    if (parent === undefined || trace.getSpan(parent)?.isRecording() !== true) return source
    return this.#steps(source, () => this.#beginIn(parent, options))
  }

  annotate(attributes: SpanAttributes): void {
    const span = this.#currentSpan()
    if (span?.isRecording()) span.setAttributes(defined(attributes))
  }

  headers(): Readonly<Record<string, string>> {
    const context = this.#current.getStore()
    if (context === undefined) return NO_HEADERS
    const headers: Record<string, string> = {}
    this.#propagator.inject(context, headers, { set: (carrier, key, value) => (carrier[key] = value) })
    return headers
  }

  /** The ids of the current span, by the names that OpenTelemetry gives them in logs. */
  ids(): { readonly trace_id: string; readonly span_id: string } | undefined {
    const span = this.#currentSpan()?.spanContext()
    return span && { trace_id: span.traceId, span_id: span.spanId }
  }

  #currentSpan(): RecordedSpan | undefined {
    const context = this.#current.getStore()
    return context && trace.getSpan(context)
  }

  #beginChild(options: SpanOptions): Begun | undefined {
    if (options.isRoot) return this.#beginIn(ROOT_CONTEXT, options)
    const parent = this.#current.getStore()
    if (parent === undefined || trace.getSpan(parent)?.isRecording() !== true) return undefined
    return this.#beginIn(parent, options)
  }

  #beginIn(parent: Context, { name, kind = 'internal', attributes = {} }: SpanOptions): Begun {
    const span = this.#source.startSpan(name, { kind: KINDS[kind], attributes: defined(attributes) }, parent)
    return { span, context: trace.setSpan(parent, span) }
  }

  /** The consumer's own time between two steps is part of the span, and is not part of `entrepot.wait_ms`. */
  async *#steps<Item>(source: AsyncIterable<Item>, begin: () => Begun): AsyncIterable<Item> {
    const { span } = begin()
    const steps = source[Symbol.asyncIterator]()
    let waitMs = 0
    try {
      for (;;) {
        const askedAt = performance.now()
        const step = await steps.next()
        waitMs += performance.now() - askedAt
        if (step.done) return
        yield step.value
      }
    } catch (error) {
      report(error, span)
      throw error
    } finally {
      span.setAttribute('entrepot.wait_ms', Math.round(waitMs * 1000) / 1000)
      span.end()
      await steps.return?.()
    }
  }
}

interface Begun {
  readonly span: RecordedSpan
  readonly context: Context
}

const NO_HEADERS = {}

const UNRECORDED: Span = { set() {}, fail() {} }

const GETTER = {
  keys: (carrier: Readonly<Record<string, unknown>>) => Object.keys(carrier),
  get: (carrier: Readonly<Record<string, string | readonly string[] | undefined>>, key: string) =>
    carrier[key] as string | string[] | undefined,
}

function handleOf(span: RecordedSpan): Span {
  return {
    set: (attributes) => span.setAttributes(defined(attributes)),
    fail(errorType) {
      span.setAttribute('error.type', errorType)
      span.setStatus(FAILED)
    },
  }
}

function defined(attributes: SpanAttributes): Record<string, string | number | boolean> {
  const given: Record<string, string | number | boolean> = {}
  for (const key in attributes) {
    const value = attributes[key]
    if (value !== undefined) given[key] = value
  }
  return given
}

/** The answer that there is no such thing is none of the failures. */
function report(error: unknown, span: RecordedSpan): void {
  const errorType = typeOf(error)
  if (ABSENT.has(errorType)) span.setAttribute('error.type', errorType)
  else handleOf(span).fail(errorType)
}

const ABSENT: ReadonlySet<string> = new Set(['PATH_NOT_FOUND', 'NOT_FOUND'])

/** A code or a class: messages may hold addresses and names. */
function typeOf(error: unknown): string {
  const { code, name } = Object(error) as { code?: unknown; name?: unknown }
  if (typeof code === 'string') return code
  return typeof name === 'string' ? name : '_OTHER'
}
