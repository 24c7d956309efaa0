import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../config/schema.ts'
import type { Log } from '../core/log.ts'
import { type Check, checkFile, checkHttp, checkTcp } from '../health/checks.ts'
import { HealthMonitor } from '../health/health-monitor.ts'
import { Schedule } from '../maintenance/schedule.ts'
import type { StoredRegistry } from '../registry/registry.ts'
import { tcpOptions } from './addresses.ts'

/** Used if an interval is 0, as in Distribution. */
const DEFAULT_INTERVAL_MS = 10_000

const STORAGE_RETRY_MS = 1_000

/** Waits until storage has answered once, then runs the configured checks until stopped. */
export function watchHealth(
  config: Config,
  { registry, log }: { registry: StoredRegistry; log: Log },
): { health: HealthMonitor; stop(): Promise<void> } {
  const health = new HealthMonitor(log)
  const stopping = new AbortController()
  const started = untilStorageAnswers(registry, { log, signal: stopping.signal }).then((answered) => {
    health.hasStarted = answered
  })
  const schedules = checksOf(config, registry).map(
    (check) =>
      new Schedule({
        name: `health check ${check.name}`,
        intervalMs: check.intervalMs,
        firstDelayMs: check.intervalMs,
        log,
        work: (signal) => health.make(check, signal),
      }),
  )
  const stop = async () => {
    stopping.abort()
    await Promise.all([started, ...schedules.map((schedule) => schedule.stop())])
  }
  return { health, stop }
}

/** Waits until storage answers.
 *  @returns false if it was stopped before */
async function untilStorageAnswers(
  registry: StoredRegistry,
  { log, signal }: { log: Log; signal: AbortSignal },
): Promise<boolean> {
  let hasFailed = false
  while (!signal.aborted) {
    try {
      await registry.checkStorage()
      return true
    } catch (err) {
      if (!hasFailed) log.warn({ err }, 'storage does not answer; the registry is not ready until it does')
      hasFailed = true
    }
    await delay(STORAGE_RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined)
  }
  return false
}

function checksOf({ health }: Config, registry: StoredRegistry): Check[] {
  const { storagedriver, file, http, tcp } = health
  return [
    ...(storagedriver.enabled
      ? [checkOf(`storagedriver_${registry.storageName}`, storagedriver, () => registry.checkStorage())]
      : []),
    ...file.map((entry) => checkOf(entry.file, entry, () => checkFile(entry.file))),
    ...http.map(({ uri, headers, statuscode: statusCode, ...entry }) =>
      checkOf(uri, entry, (signal) => checkHttp({ uri, headers, statusCode }, signal)),
    ),
    ...tcp.map(({ addr, ...entry }) => {
      const { host = 'localhost', port = 0 } = tcpOptions(addr, 'health.tcp.addr')
      return checkOf(addr, entry, (signal) => checkTcp(addr, { host, port, signal }))
    }),
  ]
}

function checkOf(
  name: string,
  timing: { interval: number; threshold: number; timeout?: number | undefined },
  run: Check['run'],
): Check {
  const intervalMs = timing.interval || DEFAULT_INTERVAL_MS
  return { name, intervalMs, threshold: timing.threshold, timeoutMs: timing.timeout || intervalMs, run }
}
