import { PassThrough } from 'node:stream'
import type { Logger } from 'pino'
import { describe, expect, it, test } from 'vitest'
import { createLogger, type LogSettings } from './logger.ts'

/** A logger, and the lines that it has written. */
async function logger(settings: Partial<LogSettings> = {}) {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const log = await createLogger({ level: 'info', formatter: 'json', fields: {}, ...settings }, destination)
  const records = () => lines.map((line): Record<string, unknown> => JSON.parse(line))
  return { log, lines, records }
}

const levels = ['debug', 'info', 'warn', 'error'] as const

test.each([
  ['debug', ['debug', 'info', 'warn', 'error']],
  ['info', ['info', 'warn', 'error']],
  ['warn', ['warn', 'error']],
  ['error', ['error']],
] as const)('at the level %s it writes %j', async (level, written) => {
  const { log, records } = await logger({ level })
  for (const each of levels) log[each]({}, each)
  expect(records().map(({ msg }) => msg)).toEqual(written)
})

describe('json', () => {
  it('is one object a line, with a level, a time in milliseconds, the fields and the message', async () => {
    const { log, lines, records } = await logger()
    const before = Date.now()
    log.warn({ repository: 'a/b', count: 3 }, 'two\nlines')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^\{.*\}\n$/)
    const [record] = records()
    expect(record).toEqual({
      level: 40,
      time: expect.any(Number),
      repository: 'a/b',
      count: 3,
      msg: 'two\nlines',
    })
    expect(record?.time).toBeGreaterThanOrEqual(before)
  })

  it('has the fields of the configuration in every line', async () => {
    const { log, records } = await logger({ fields: { service: 'registry', zone: 3 } })
    log.info({}, 'one')
    log.error({ zone: 4 }, 'two')
    expect(records()).toMatchObject([{ service: 'registry', zone: 3 }, { service: 'registry' }])
  })

  it('tells of an error its type, its message, where it was, and what caused it', async () => {
    const { log, records } = await logger()
    const cause = Object.assign(new TypeError('the disk is on fire'), { code: 'EIO' })
    log.error({ err: new Error('cannot write', { cause }) }, 'a request failed')
    expect(records()).toMatchObject([
      {
        msg: 'a request failed',
        err: {
          type: 'Error',
          message: 'cannot write',
          stack: expect.stringContaining('logger.test.ts'),
          cause: { type: 'TypeError', message: 'the disk is on fire', code: 'EIO' },
        },
      },
    ])
  })

  it('survives what is no error, and what refers to itself', async () => {
    const { log, records } = await logger()
    const circle: Record<string, unknown> = {}
    circle.self = circle
    log.error({ err: 'only text' }, 'one')
    log.error({ circle }, 'two')
    expect(records()).toMatchObject([{ err: 'only text' }, { msg: 'two' }])
  })
})

describe('logstash', () => {
  it('is version 1 of its event format', async () => {
    const { log, records } = await logger({ formatter: 'logstash', fields: { service: 'registry' } })
    log.info({ repository: 'a' }, 'listening')
    log.error({ err: new Error('no luck') }, 'failed')
    const [first, second] = records()
    expect(first).toEqual({
      '@version': '1',
      '@timestamp': expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      level: 'info',
      service: 'registry',
      repository: 'a',
      message: 'listening',
    })
    expect(second).toMatchObject({ level: 'error', message: 'failed', err: { message: 'no luck' } })
  })
})

describe('text', () => {
  /** What a logger for people writes of it. */
  async function printed(write: (log: Logger) => void, settings: Partial<LogSettings> = {}): Promise<string> {
    const destination = new PassThrough()
    const log = await createLogger({ level: 'info', formatter: 'text', fields: {}, ...settings }, destination)
    write(log)
    log.error({}, 'the end')
    let text = ''
    for await (const chunk of destination) {
      text += chunk
      if (text.includes('the end')) break
    }
    return text
  }

  it('is one line for people: time, level, message, fields; no colours in a file', async () => {
    const text = await printed((log) => log.info({ repository: 'a/b', bytes: 7 }, 'pushed'), {
      fields: { service: 'registry' },
    })
    expect(text.split('\n')[0]).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: pushed \{.*\}$/)
    for (const part of ['"repository":"a/b"', '"bytes":7', '"service":"registry"'])
      expect(text).toContain(part)
    expect(text).not.toContain('\x1b[')
  })

  it('tells of an error and of its cause', async () => {
    const err = new Error('cannot write', { cause: new Error('the disk is on fire') })
    const text = await printed((log) => log.error({ err }, 'failed'))
    expect(text).toContain('cannot write')
    expect(text).toContain('the disk is on fire')
  })

  it('keeps to the level', async () => {
    expect(await printed((log) => log.warn({}, 'not so bad'), { level: 'error' })).not.toContain('not so bad')
  })
})
