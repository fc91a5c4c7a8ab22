// better-auth on Node, with its sessions in a secondary storage, by ioredis, as its documentation shows.
// Its packages stand in another folder, whose path is the first argument.

import { randomBytes } from "node:crypto"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { around, inLanes, measure, serve } from "./worker.mjs"

// Neither package exports an entry that require.resolve finds for modules.
const load = (file) => import(pathToFileURL(`${process.argv[2]}/node_modules/better-auth/dist/${file}`))
const { betterAuth } = await load("index.mjs")
const { memoryAdapter } = await load("adapters/memory-adapter/index.mjs")
const { Redis } = createRequire(process.argv[2] + "/")("ioredis")

let auth, tokens

const newSession = async (number) => {
  const body = { email: `bench-${number}-${randomBytes(8).toString("hex")}@example.com`, password: "correct horse", name: "Ada Lovelace" }
  const { headers } = await auth.api.signUpEmail({ body, returnHeaders: true })
  return headers.getSetCookie().map((cookie) => cookie.split(";")[0]).join("; ")
}

const flows = {
  sign_up: newSession,
  async check(cookie) {
    const found = await auth.api.getSession({ headers: new Headers({ cookie }) })
    if (found === null) throw new Error("no session")
  },
  sign_out: (cookie) => auth.api.signOut({ headers: new Headers({ cookie }) }),
}

serve({
  async open({ endpoint }) {
    const redis = new Redis(endpoint)
    const secondaryStorage = {
      get: (key) => redis.get(key),
      set: (key, value, ttl) => (ttl ? redis.set(key, value, "EX", ttl) : redis.set(key, value)),
      delete: async (key) => void (await redis.del(key)),
    }
    auth = betterAuth({
      secret: "s".repeat(32),
      baseURL: "http://localhost:3000",
      database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
      secondaryStorage,
      emailAndPassword: {
        enabled: true,
        password: { hash: async (password) => password, verify: async ({ hash, password }) => hash === password },
      },
      rateLimit: { enabled: false },
      telemetry: { enabled: false },
      logger: { disabled: true },
    })
    return { flows: Object.keys(flows) }
  },
  async seed() {
    tokens = await inLanes(newSession, Array.from({ length: 256 }, (_, number) => number), 8)
    return { tokens }
  },
  async run({ flow, concurrency, operations }) {
    const numbers = Array.from({ length: operations }, (_, number) => number)
    const values = {
      check: () => around(tokens, operations),
      sign_up: () => numbers,
      sign_out: () => inLanes(newSession, numbers, 8),
    }
    return measure(flows[flow], await values[flow](), concurrency)
  },
})
