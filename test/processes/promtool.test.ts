/** What Prometheus's own tool says of the metrics and the alerts. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { RedisProcess } from '../support/redis-process.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { requireTool, run } from '../support/tools.ts'

async function lint(metrics: string): Promise<string> {
  const promtool = spawn(requireTool('promtool'), ['check', 'metrics'], { stdio: 'pipe' })
  promtool.stdin.end(metrics)
  const [stdout, stderr] = await Promise.all([
    text(promtool.stdout),
    text(promtool.stderr),
    once(promtool, 'close'),
  ])
  return stdout + stderr
}

describeWith(['promtool', 'redis-server'], 'promtool', () => {
  test.each([1, 2])('has nothing to say of %i processes', async (workers) => {
    await using folder = await temporaryFolder()
    await using redis = await RedisProcess.start()
    await using server = await startEntrepot({
      dataFolder: join(folder.path, 'data'),
      configFolder: folder.path,
      config: {
        http: { addr: '127.0.0.1:0', workers, debug: { addr: '127.0.0.1:0', prometheus: { enabled: true } } },
        redis: { addr: redis.address },
      },
    })
    const client = new RegistryClient(server.url)
    const image = imageOf([gzippedLayer([{ path: 'file', content: 'content' }])])
    await client.pushImage('a', { tag: 'latest', image })
    await client.manifest('a', 'latest')
    const url = /"debugAddress":"([^"]+)"/.exec(server.output)?.[1]
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toContain('registry_http_requests_total{')
    expect(await lint(metrics)).toBe('')
  })

  test('finds the alerts in order, each of which comes when it should', async () => {
    await using folder = await temporaryFolder()
    const names = [...(await readFile(alerts, 'utf8')).matchAll(/- alert: (\w+)/g)].map(([, name]) => name)
    expect(names).toEqual(Object.keys(TROUBLE))
    await run('promtool', ['check', 'rules', alerts])
    const file = join(folder.path, 'alerts_test.yml')
    await writeFile(file, JSON.stringify(alertTests()))
    await run('promtool', ['test', 'rules', file])
  })

  test('is heard', async () => {
    expect(await lint('# HELP a_total Words.\n# TYPE a_total gauge\na_total 1\n')).toContain(
      '"_total" suffix',
    )
  })
})

const alerts = fileURLToPath(new URL('../../deploy/prometheus/alerts.yml', import.meta.url))

/** Series of a registry in trouble, a value each minute, and the alert that they raise after four hours. */
const TROUBLE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  RegistryServerErrors: { 'registry_http_requests_total{code="500"}': '0+1x240' },
  RegistryUnhealthy: { registry_health_failing_checks: '1x240' },
  RegistrySlowStorage: {
    'registry_storage_action_seconds_bucket{action="Stat",le="1"}': '0+1x240',
    'registry_storage_action_seconds_bucket{action="Stat",le="5"}': '0+60x240',
    'registry_storage_action_seconds_bucket{action="Stat",le="+Inf"}': '0+60x240',
  },
  RegistryCacheUnavailable: { registry_storage_cache_errors_total: '0+1x240' },
  RegistryCacheTooSmall: {
    'registry_storage_cache_evictions_total{reason="displaced"}': '0+120x240',
    registry_storage_cache_hits_total: '0+10x240',
    registry_storage_cache_requests_total: '0+100x240',
  },
  RegistryLogsLost: { 'registry_log_dropped_lines_total{log="main"}': '0+1x240' },
  RegistryGuessedPasswords: { registry_auth_failed_logins_total: '0+120x240' },
  RegistryBusyLoop: { nodejs_eventloop_lag_p99_seconds: '1x240' },
  RegistryDamagedContent: { registry_scrub_damaged_blobs_total: '0x200 1x40' },
  RegistryNoCollection: {
    registry_gc_failures_total: '0+1x240',
    registry_gc_collections_total: '5x240',
  },
  RegistryNotificationsWait: { 'registry_notifications_oldest_seconds{endpoint="a"}': '0+60x240' },
  RegistryNotificationsAbandoned: { 'registry_notifications_dead_letters_total{endpoint="a"}': '0+1x240' },
  RegistryUpstreamUnavailable: { 'registry_proxy_breaker_state{upstream="a"}': '2x240' },
  RegistryIndexOutdated: { registry_index_last_sweep_timestamp_seconds: '0x240' },
}

/** The same series of one that is well. */
const CALM: Readonly<Record<string, string>> = {
  'registry_http_requests_total{code="500"}': '0x240',
  'registry_http_requests_total{code="200"}': '0+100x240',
  registry_health_failing_checks: '0x240',
  registry_storage_cache_errors_total: '0x240',
  registry_scrub_damaged_blobs_total: '3x240',
  registry_gc_failures_total: '0+1x240',
  registry_gc_collections_total: '0+1x240',
  'registry_notifications_oldest_seconds{endpoint="a"}': '5x240',
  'registry_notifications_dead_letters_total{endpoint="a"}': '7x240',
  'registry_proxy_breaker_state{upstream="a"}': '0x240',
  registry_index_last_sweep_timestamp_seconds: '0+60x240',
}

/** A file for `promtool test rules`. */
function alertTests(): object {
  const one = (series: Readonly<Record<string, string>>, firing: readonly string[]) => ({
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({
      series: name.includes('{') ? name.replace('{', '{job="r",') : `${name}{job="r"}`,
      values,
    })),
    promql_expr_test: [
      {
        expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: '4h',
        exp_samples: firing.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
      },
    ],
  })
  const troubles = Object.entries(TROUBLE).map(([name, series]) => one(series, [name]))
  return { rule_files: [alerts], evaluation_interval: '1m', tests: [...troubles, one(CALM, [])] }
}
