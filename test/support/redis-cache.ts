import type { GenerationFile } from '../../src/cache/redis/generation.ts'
import type { RedisSettings } from '../../src/cache/redis/settings.ts'
import { RedisDescriptorCache } from '../../src/cache/redis.ts'
import { RecordedLog } from './recorded-log.ts'

export function redisSettings(settings: Partial<RedisSettings>): RedisSettings {
  return {
    addr: '',
    addrs: [],
    mastername: '',
    clientname: '',
    username: '',
    password: '',
    sentinelusername: '',
    sentinelpassword: '',
    db: 0,
    dialtimeout: undefined,
    tls: undefined,
    ...settings,
  }
}

export interface OpenedRedisCache extends AsyncDisposable {
  readonly cache: RedisDescriptorCache
  readonly logged: RecordedLog
}

interface OpenOptions {
  readonly secret?: string
  readonly ttlMs?: number
  readonly commandTimeoutMs?: number
  readonly generationFile?: GenerationFile
}

/** A cache as a replica has one, with a log that can be read. */
export async function openRedisCache(
  settings: Partial<RedisSettings>,
  { secret = 'shared', ttlMs = 3_600_000, commandTimeoutMs, generationFile }: OpenOptions = {},
): Promise<OpenedRedisCache> {
  const logged = await RecordedLog.start()
  const parts = { secret, maxEntries: 1000, ttlMs, commandTimeoutMs, generationFile, log: logged.log }
  const cache = new RedisDescriptorCache({ settings: redisSettings(settings), ...parts })
  return { cache, logged, [Symbol.asyncDispose]: () => cache.close() }
}
