/** The port to tracing, by OpenTelemetry. Attached only if tracing is on; without it no code of a request asks for it. */

/** An attribute that is undefined is left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>

/** A span under way. */
export interface Span {
  set(attributes: SpanAttributes): void
  /** Marks it as failed.
   *  @param errorType a class of errors, such as a code; the attribute `error.type` */
  fail(errorType: string): void
}

export interface SpanOptions {
  readonly name: string
  /** `client`: a call of another server. Default: `internal`. */
  readonly kind?: 'internal' | 'client' | 'producer'
  readonly attributes?: SpanAttributes
  /** True for work that belongs to no request: it begins a trace of its own. Otherwise a span is made only inside another
   *  one that is recorded. Default: false. */
  readonly isRoot?: boolean
}

/** Makes spans, and knows the current one. */
export interface Tracer {
  /** Runs work in a span, which ends with it. If the work fails, so does the span. */
  inSpan<Result>(options: SpanOptions, work: (span: Span) => Promise<Result>): Promise<Result>
  /** Passes the steps of an iteration through. The span is from the first step to the end. */
  aroundSteps<Item>(options: SpanOptions, source: AsyncIterable<Item>): AsyncIterable<Item>
  /** Adds to the current span, if there is one that is recorded. */
  annotate(attributes: SpanAttributes): void
  /** The headers that make a request part of the current trace: W3C Trace Context. Empty outside of a span. */
  headers(): Readonly<Record<string, string>>
}

/** Makes the spans of requests to this server. */
export interface RequestTracer {
  /** Begins a span, which continues the trace that the headers name.
   *  @param request.attributes those that a sampler may decide by */
  begin(request: {
    readonly name: string
    readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
    readonly attributes: SpanAttributes
  }): RequestSpan
}

export interface RequestSpan extends Span {
  /** False if the trace is not sampled: nothing that is added to the span is kept. */
  readonly isRecorded: boolean
  /** Runs work for the request: it is the current span there. */
  run<Result>(work: () => Result): Result
  rename(name: string): void
  end(): void
}
