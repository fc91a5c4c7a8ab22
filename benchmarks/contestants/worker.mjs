// The frame of the contestants on Node: does what the coordinator says, one JSON line in, one out.

import { createInterface } from "node:readline"

export async function inLanes(call, values, lanes) {
  const made = new Array(values.length)
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      for (let index = lane; index < values.length; index += lanes) made[index] = await call(values[index])
    })
  )
  return made
}

export const around = (list, count) => Array.from({ length: count }, (_, index) => list[index % list.length])

const cpuSeconds = () => {
  const used = process.cpuUsage()
  return (used.user + used.system) / 1e6
}

/** Call a function once for each value, that many at once, and return what it took. */
export async function measure(call, values, concurrency) {
  const latencies = []
  const timed = async (value) => {
    const began = performance.now()
    await call(value)
    latencies.push(performance.now() - began)
  }
  const cpu = cpuSeconds()
  const began = performance.now()
  await inLanes(timed, values, concurrency)
  const wall = (performance.now() - began) / 1000
  const used = cpuSeconds() - cpu
  latencies.sort((a, b) => a - b)
  const at = (share) => latencies[Math.min(Math.floor(latencies.length * share), latencies.length - 1)]
  return {
    cpu_us: (used / values.length) * 1e6,
    per_second: values.length / wall,
    p50_ms: at(0.5),
    p99_ms: at(0.99),
  }
}

export async function serve(orders) {
  const close = async () => {
    setImmediate(() => process.exit(0))
    return {}
  }
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: what, ...rest } = JSON.parse(line)
    let answer
    try {
      answer = { ok: await (orders[what] ?? close)(rest) }
    } catch (error) {
      answer = { error: String(error.stack) }
    }
    process.stdout.write(JSON.stringify(answer) + "\n")
  }
}
