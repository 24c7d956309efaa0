import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it, test } from 'vitest'
import { createLogger, type Logger, type LogSettings } from './logger.ts'

/** A logger, and its written lines. */
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
  it('is one object a line, with a level, a time, the fields and the message, as logrus writes it', async () => {
    const { log, lines, records } = await logger()
    const before = Date.now()
    log.warn({ repository: 'a/b', count: 3 }, 'two\nlines')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^\{.*\}\n$/)
    const [record] = records()
    expect(record).toEqual({
      level: 'warning',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      repository: 'a/b',
      count: 3,
      msg: 'two\nlines',
    })
    expect(Date.parse(record?.time as string)).toBeGreaterThanOrEqual(before)
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
  const TIME = /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z" /

  /** The lines without the time. */
  async function written(
    write: (log: Logger) => void,
    settings: Partial<LogSettings> = {},
  ): Promise<string[]> {
    const { log, lines } = await logger({ formatter: 'text', ...settings })
    write(log)
    for (const line of lines) expect(line).toMatch(TIME)
    return lines.map((line) => line.replace(TIME, ''))
  }

  it('is logfmt as logrus writes it in Distribution', async () => {
    const fields = {
      'http.request.method': 'GET',
      'http.response.status': 200,
      missing: undefined,
      empty: '',
    }
    const lines = await written((log) => log.info(fields, 'response completed'), {
      fields: { service: 'a b' },
    })
    expect(lines).toEqual([
      'level=info msg="response completed" service="a b" http.request.method=GET http.response.status=200 empty=\n',
    ])
  })

  it('calls its levels as logrus does, and keeps to the least', async () => {
    const all = (log: Logger) => {
      for (const each of levels) log[each]({}, each)
    }
    expect(await written(all, { level: 'debug' })).toEqual([
      'level=debug msg=debug\n',
      'level=info msg=info\n',
      'level=warning msg=warn\n',
      'level=error msg=error\n',
    ])
    expect(await written(all, { level: 'warn' })).toEqual([
      'level=warning msg=warn\n',
      'level=error msg=error\n',
    ])
  })

  it.each([
    ['plain', 'a-zA-Z0-9._/@^+', 'a-zA-Z0-9._/@^+'],
    ['a space', 'a b', '"a b"'],
    ['quotation marks and a backslash', 'a"b\\c', String.raw`"a\"b\\c"`],
    ['line ends', 'a\nlevel=error', String.raw`"a\nlevel=error"`],
    ['a digest', 'sha256:00', '"sha256:00"'],
    ['letters of other scripts', 'größe', '"größe"'],
    ['what controls a terminal', '\x1b[31m\x9b\x7f', String.raw`"\u001b[31m\u009b\u007f"`],
    ['what turns the direction of the text', 'a\u202eb', String.raw`"a\u202eb"`],
    ['an object', { a: ['b c'] }, String.raw`"{\"a\":[\"b c\"]}"`],
    ['null', null, 'null'],
    ['a flag', false, 'false'],
  ])('quotes a value like %s where needed', async (_, value, expected) => {
    expect(await written((log) => log.info({ value }, 'x'))).toEqual([`level=info msg=x value=${expected}\n`])
  })

  it('keeps the keys of the configuration from being read as several', async () => {
    expect(await written((log) => log.info({}, 'x'), { fields: { 'a b="c': 1 } })).toEqual([
      'level=info msg=x a_b__c=1\n',
    ])
  })

  it('has an error in one line: its message and where it was, with what caused it', async () => {
    const err = new Error('cannot write', { cause: new Error('the disk is on fire') })
    const [line] = await written((log) => log.error({ err }, 'failed'))
    expect(line).toMatch(
      /^level=error msg=failed err="cannot write: the disk is on fire" err\.stack="Error: cannot write\\n/,
    )
    expect(line).toContain(String.raw`\ncaused by: Error: the disk is on fire`)
    expect(line).toMatch(/^[^\n]+\n$/)
  })

  it('survives what refers to itself', async () => {
    const circle: Record<string, unknown> = {}
    circle.self = circle
    expect(await written((log) => log.error({ circle }, 'x'))).toEqual([
      'level=error msg=x circle="[object Object]"\n',
    ])
  })
})

describe('text at a terminal', () => {
  /** The output of a logger for terminals. */
  async function printed(write: (log: Logger) => void, settings: Partial<LogSettings> = {}): Promise<string> {
    const destination = new PassThrough()
    const log = await createLogger(
      { level: 'info', formatter: 'text', fields: {}, isTerminal: true, ...settings },
      destination,
    )
    write(log)
    log.error({}, 'the end')
    let text = ''
    for await (const chunk of destination) {
      text += chunk
      if (text.includes('the end')) break
    }
    return text
  }

  it('is one line for people: time, level, message, fields, in colours', async () => {
    const text = await printed((log) => log.info({ repository: 'a/b', bytes: 7 }, 'pushed'), {
      fields: { service: 'registry' },
    })
    expect(text).toContain('\x1b[')
    const [line] = stripVTControlCharacters(text).split('\n')
    expect(line).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: pushed \{.*\}$/)
    for (const part of ['"repository":"a/b"', '"bytes":7', '"service":"registry"'])
      expect(line).toContain(part)
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
