// An OpenID provider for the tests: oidc-provider, which is certified by the OpenID Foundation, with a sign-in page
// where the test states who is signing in.
//
//   node provider.mjs NODE_MODULES   reads a line of JSON from standard input: {"clients": [...]}
//
// Prints its issuer once it is listening, and exits when standard input closes, so it never outlives its parent.
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const load = (file) => import(pathToFileURL(join(process.argv[2], file)).href)
const { Provider } = await load('oidc-provider/lib/index.js')

const lines = createInterface({ input: process.stdin })
lines.on('close', () => process.exit(0))
const { clients } = await new Promise((resolve) => lines.once('line', (line) => resolve(JSON.parse(line))))

// The claims of each subject, as entered on the sign-in page.
const people = new Map()

const page = (uid, { client_id: client }) => `<!doctype html><html lang="en"><meta charset="utf-8">
<title>Test provider</title><h1>Sign in to continue to ${client}</h1>
<form method="post" action="/interaction/${uid}">
<p><label>Subject <input name="sub" required></label></p>
<p><label>Email address <input name="email"></label></p>
<p><label>Name <input name="name"></label></p>
<p><label><input type="checkbox" name="email_verified" value="true"> The address is verified</label></p>
<p><button name="answer" value="allow">Allow</button> <button name="answer" value="deny" formnovalidate>Deny</button></p>
</form></html>`

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    cookies: { keys: ['a key of the tests'] },
    enabledJWA: {
      idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
      userinfoSigningAlgValues: ['RS256', 'ES256'],
      clientAuthSigningAlgValues: ['HS256', 'RS256', 'ES256'],
    },
    clientAuthMethods: [
      'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none',
    ],
    features: { devInteractions: { enabled: false }, claimsParameter: { enabled: true }, jwtUserinfo: { enabled: true } },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    jwks: { keys: JSON.parse(process.env.TEST_PROVIDER_KEYS) },
    pkce: { required: () => true },
    findAccount: (ctx, sub) => ({
      accountId: sub,
      claims: () => ({ sub, ...people.get(sub) }),
    }),
    // Signing in here is consent to everything the client asks for.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId })
      grant.addOIDCScope('openid email profile')
      grant.addOIDCClaims(['email', 'email_verified', 'name'])
      await grant.save()
      return grant
    },
  })
  provider.on('server_error', (ctx, error) => console.error(error))
  const rest = provider.callback()
  server.on('request', async (request, response) => {
    if (!request.url.startsWith('/interaction/')) return rest(request, response)
    try {
      const { uid, params } = await provider.interactionDetails(request, response)
      if (request.method === 'GET') {
        response.setHeader('content-type', 'text/html; charset=utf-8')
        return response.end(page(uid, params))
      }
      let body = ''
      for await (const chunk of request) body += chunk
      const form = new URLSearchParams(body)
      if (form.get('answer') === 'deny') {
        return await provider.interactionFinished(request, response, { error: 'access_denied' })
      }
      const told = { email_verified: form.get('email_verified') === 'true' }
      for (const name of ['email', 'name']) if (form.get(name)) told[name] = form.get(name)
      people.set(form.get('sub'), told)
      return await provider.interactionFinished(request, response, { login: { accountId: form.get('sub'), remember: false } })
    } catch (error) {
      response.statusCode = 400
      return response.end(String(error))
    }
  })
  console.log(issuer)
})
