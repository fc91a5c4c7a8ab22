// @auth/dynamodb-adapter on Node, doing what the coordinator says, one JSON line for another.
// Its packages stand in another folder, whose path is the first argument.

import { randomBytes, randomUUID } from "node:crypto"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { around, inLanes, measure, serve } from "./worker.mjs"

const require = createRequire(process.argv[2] + "/")
const load = (name) => import(pathToFileURL(require.resolve(name)))
const { DynamoDB } = await load("@aws-sdk/client-dynamodb")
const { DynamoDBDocument } = await load("@aws-sdk/lib-dynamodb")
// It exports no entry that require.resolve finds.
const adapterFile = process.argv[2] + "/node_modules/@auth/dynamodb-adapter/index.js"
const { DynamoDBAdapter } = await import(pathToFileURL(adapterFile))

const SEEDED = 256
const PASSWORD_HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$" + "A".repeat(43)
const freshEmail = () => `bench-${randomBytes(16).toString("hex")}@example.com`
const inTwoWeeks = () => new Date(Date.now() + 14 * 24 * 3600 * 1000)

let adapter, users, tokens

const flows = {
  register: (email) => adapter.createUser({ email, name: "Ada Lovelace", emailVerified: null, hash: PASSWORD_HASH }),
  user_by_email_eventual: (email) => adapter.getUserByEmail(email),
  async sign_in(email) {
    const user = await adapter.getUserByEmail(email)
    if (user.hash !== PASSWORD_HASH) throw new Error("wrong hash")
    return newSession(user)
  },
  async check(token) {
    const found = await adapter.getSessionAndUser(token)
    if (found === null || found.session.expires <= new Date()) throw new Error("no session")
    return found
  },
  sign_out: (token) => adapter.deleteSession(token),
  link_oauth: (user) =>
    adapter.linkAccount({ userId: user.id, type: "oauth", provider: "github", providerAccountId: randomUUID() }),
  delete_user: (user) => adapter.deleteUser(user.id),
}

function newSession(user) {
  return adapter.createSession({
    sessionToken: randomBytes(32).toString("base64url"),
    userId: user.id,
    expires: inTwoWeeks(),
  })
}

const newUsers = (count) => inLanes(flows.register, Array.from({ length: count }, freshEmail), 8)

async function prepare(flow, count) {
  if (flow === "register") return Array.from({ length: count }, freshEmail)
  if (flow === "sign_in" || flow === "user_by_email_eventual") return around(users, count).map((user) => user.email)
  if (flow === "check") return around(tokens, count)
  if (flow === "sign_out") return (await inLanes(newSession, around(users, count), 8)).map((s) => s.sessionToken)
  const fresh = await newUsers(count)
  if (flow === "delete_user") await inLanes(newSession, fresh, 8)
  return fresh
}

serve({
  async open({ endpoint, prefix }) {
    const client = new DynamoDB({
      region: "us-east-1",
      endpoint,
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
      requestHandler: { httpAgent: { maxSockets: 64, keepAlive: true } },
    })
    const document = DynamoDBDocument.from(client, {
      marshallOptions: { convertEmptyValues: true, removeUndefinedValues: true, convertClassInstanceToMap: true },
    })
    adapter = DynamoDBAdapter(document, { tableName: `${prefix}_authjs` })
    return { flows: Object.keys(flows) }
  },
  async seed() {
    users = await newUsers(SEEDED)
    tokens = (await inLanes(newSession, users, 8)).map((session) => session.sessionToken)
    return { tokens }
  },
  async run({ flow, concurrency, operations }) {
    return measure(flows[flow], await prepare(flow, operations), concurrency)
  },
})
