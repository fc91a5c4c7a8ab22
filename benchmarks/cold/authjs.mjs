import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"

const require = createRequire(process.argv[2] + "/")
const load = (name) => import(pathToFileURL(require.resolve(name)))
const { DynamoDB } = await load("@aws-sdk/client-dynamodb")
const { DynamoDBDocument } = await load("@aws-sdk/lib-dynamodb")
// It exports no entry that require.resolve finds.
const adapterFile = process.argv[2] + "/node_modules/@auth/dynamodb-adapter/index.js"
const { DynamoDBAdapter } = await import(pathToFileURL(adapterFile))

const { ENDPOINT, PREFIX, TOKEN, AWS_REGION } = process.env
const document = DynamoDBDocument.from(new DynamoDB({ region: AWS_REGION, endpoint: ENDPOINT }))
const found = await DynamoDBAdapter(document, { tableName: `${PREFIX}_authjs` }).getSessionAndUser(TOKEN)
if (found === null) throw new Error("no session")
console.log("ok")
process.exit(0)
