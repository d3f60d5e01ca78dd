// F1 and F2: every webhook source against its vendor's own signer and verifier, both ways, and the payloads that GitHub
// publishes.

import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { LinearWebhookClient } from '@linear/sdk/webhooks'
import { createRequire } from 'node:module'
import { sign as octokitSign, verify as octokitVerify } from '@octokit/webhooks-methods'
import { isValidSlackRequest } from '@slack/bolt'
import '@shopify/shopify-api/adapters/node'
import { ApiVersion, LogSeverity, shopifyApi } from '@shopify/shopify-api'
import { Webhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { printFigure } from '../scripts/figure.ts'
import { verifyAirtable } from '../server/integrations/airtable-sources.ts'
import { verifyGithub } from '../server/integrations/github-sources.ts'
import { verifyLinear } from '../server/integrations/linear-sources.ts'
import { verifyShopify } from '../server/integrations/shopify-sources.ts'
import { verifySlack } from '../server/integrations/slack-sources.ts'
import { verifyStripe } from '../server/integrations/stripe-sources.ts'
import type { Verdict, VerifyContext, WebhookRequest } from '../server/integrations/webhook-source.ts'
import { standardWebhook } from '../server/triggers/http-trigger.ts'
import { hmacMatches, textMatches } from '../server/vault/signature.ts'

type Headers = Record<string, string>

/** One provider: how its own code signs and verifies, and how ours verifies. */
interface Vendor {
  readonly name: string
  /** Header that has the signature. */
  readonly header: string
  secret(): string
  verify(request: WebhookRequest, context: VerifyContext): Verdict | Promise<Verdict>
  /** Signed by the vendor's own code where it has any, at the time given. */
  sign(body: string, secret: string, at: number): Headers | Promise<Headers>
  /** The vendor's own judgement, now; absent where the vendor publishes no verifier. */
  judge?(body: string, headers: Headers, secret: string): Promise<boolean> | boolean
  body(at: number): string
  /** Seconds that a signature may be old; absent where nothing signed says when. */
  readonly tolerance?: number
}

/** The package's types describe another shape than its file has. */
const examples = createRequire(import.meta.url)('@octokit/webhooks-examples') as readonly {
  readonly name: string
  readonly examples: readonly unknown[]
}[]

const json = (at: number): string =>
  JSON.stringify({ id: 'evt_1', at, text: 'naïve ☃ 𝄞', nested: { a: [1, 2.5, null] } })
const hex =
  (bytes = 20) =>
  () =>
    randomBytes(bytes).toString('hex')
const hmac = (key: string | Buffer, data: string, encoding: 'hex' | 'base64'): string =>
  createHmac('sha256', key).update(data).digest(encoding)

const stripe = new Stripe('sk_test_x')
const shopify = (secret: string) =>
  shopifyApi({
    apiKey: 'key',
    apiSecretKey: secret,
    apiVersion: ApiVersion.July25,
    hostName: 'example.com',
    isEmbeddedApp: false,
    logger: { level: LogSeverity.Error, log: () => undefined },
  })

const vendors: readonly Vendor[] = [
  {
    name: 'github',
    header: 'x-hub-signature-256',
    secret: hex(),
    verify: verifyGithub,
    sign: async (body, secret) => ({ 'x-hub-signature-256': await octokitSign(secret, body) }),
    judge: (body, headers, secret) => octokitVerify(secret, body, headers['x-hub-signature-256'] ?? ''),
    body: json,
  },
  {
    name: 'stripe',
    header: 'stripe-signature',
    secret: () => `whsec_${randomBytes(24).toString('base64')}`,
    verify: verifyStripe,
    sign: (payload, secret, at) => ({
      'stripe-signature': stripe.webhooks.generateTestHeaderString({
        payload,
        secret,
        timestamp: Math.floor(at / 1000),
      }),
    }),
    judge: (body, headers, secret) => {
      try {
        return stripe.webhooks.constructEvent(body, headers['stripe-signature'] ?? '', secret).id === 'evt_1'
      } catch {
        return false
      }
    },
    body: json,
    tolerance: 300,
  },
  {
    name: 'linear',
    header: 'linear-signature',
    secret: hex(),
    verify: verifyLinear,
    // The SDK verifies and does not sign; the body is as its documentation shows it.
    sign: (body, secret) => ({ 'linear-signature': hmac(secret, body, 'hex') }),
    judge: (body, headers, secret) => {
      try {
        const at: unknown = JSON.parse(body).webhookTimestamp
        return new LinearWebhookClient(secret).verify(
          Buffer.from(body),
          headers['linear-signature'] ?? '',
          Number(at),
        )
      } catch {
        return false
      }
    },
    body: (at) =>
      JSON.stringify({ action: 'create', type: 'Issue', data: { id: 'i' }, webhookTimestamp: at }),
    tolerance: 60,
  },
  {
    name: 'shopify',
    header: 'x-shopify-hmac-sha256',
    secret: hex(),
    verify: verifyShopify,
    sign: (body, secret) => ({ 'x-shopify-hmac-sha256': hmac(secret, body, 'base64') }),
    judge: async (rawBody, headers, secret) => {
      const rawRequest = new Request('https://example.com/webhooks', {
        method: 'POST',
        headers: {
          ...headers,
          'x-shopify-topic': 'orders/create',
          'x-shopify-api-version': '2025-07',
          'x-shopify-shop-domain': 'acme.myshopify.com',
          'x-shopify-webhook-id': 'w',
        },
      })
      const plain = { method: 'POST', url: '/webhooks', headers: Object.fromEntries(rawRequest.headers) }
      return (await shopify(secret).webhooks.validate({ rawBody, rawRequest: plain })).valid
    },
    body: json,
  },
  {
    name: 'slack',
    header: 'x-slack-signature',
    secret: hex(16),
    verify: verifySlack,
    sign: (body, secret, at) => {
      const seconds = String(Math.floor(at / 1000))
      return {
        'x-slack-request-timestamp': seconds,
        'x-slack-signature': `v0=${hmac(secret, `v0:${seconds}:${body}`, 'hex')}`,
      }
    },
    judge: (body, headers, signingSecret) =>
      isValidSlackRequest({
        signingSecret,
        body,
        headers: {
          'x-slack-signature': headers['x-slack-signature'] ?? '',
          'x-slack-request-timestamp': Number(headers['x-slack-request-timestamp']),
        },
      }),
    body: json,
    tolerance: 300,
  },
  {
    name: 'airtable',
    header: 'x-airtable-content-mac',
    secret: () => randomBytes(32).toString('base64'),
    verify: verifyAirtable,
    sign: (body, secret) => ({
      'x-airtable-content-mac': `hmac-sha256=${hmac(Buffer.from(secret, 'base64'), body, 'hex')}`,
    }),
    body: json,
  },
  {
    name: 'standard webhooks',
    header: 'webhook-signature',
    secret: () => `whsec_${randomBytes(32).toString('base64')}`,
    verify: async (request, { secrets, ...context }) =>
      (await Promise.all(secrets.map((secret) => standardWebhook(secret)(request, context)))).includes(true)
        ? 'ok'
        : 'mismatch',
    sign: (body, secret, at) => ({
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(Math.floor(at / 1000)),
      'webhook-signature': new Webhook(secret).sign('msg_1', new Date(at), body),
    }),
    judge: (body, headers, secret) => {
      try {
        new Webhook(secret).verify(body, headers)
        return true
      } catch {
        return false
      }
    },
    body: json,
    tolerance: 300,
  },
]

const request = (body: string | Buffer, headers: Headers): WebhookRequest => ({
  rawBody: Buffer.from(body),
  headers,
})
const context = (secrets: readonly string[], now: number): VerifyContext => ({
  secrets,
  now,
  hmacMatches,
  textMatches,
})

for (const vendor of vendors) {
  describe(`F1 ${vendor.name}`, () => {
    const now = Math.floor(Date.now() / 1000) * 1000
    const body = vendor.body(now)

    it('believes what the vendor signs, and the vendor what we believe', async () => {
      for (let times = 0; times < 20; times += 1) {
        const secret = vendor.secret()
        const headers = await vendor.sign(body, secret, now)
        assert.equal(await vendor.verify(request(body, headers), context([secret], now)), 'ok')
        if (!vendor.judge) continue
        assert.equal(await vendor.judge(body, headers, secret), true)
        assert.equal(await vendor.judge(body, headers, vendor.secret()), false)
      }
    })

    it('refuses 1,000 flips of one bit in body or signature', async () => {
      const secret = vendor.secret()
      const headers = await vendor.sign(body, secret, now)
      let refused = 0
      for (let flip = 0; flip < 1000; flip += 1) {
        const inBody = flip % 2 === 0
        const bytes = Buffer.from(inBody ? body : (headers[vendor.header] ?? ''), 'utf8')
        const bit = (flip * 7919 + (flip >> 3)) % (bytes.length * 8)
        bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
        const changed = inBody
          ? request(bytes, headers)
          : request(body, { ...headers, [vendor.header]: bytes.toString('latin1') })
        if ((await vendor.verify(changed, context([secret], now))) !== 'ok') refused += 1
      }
      assert.equal(refused, 1000)
      printFigure({
        requirement: 'F1',
        name: `one-bit flips refused, ${vendor.name}`,
        value: `${refused} of 1000`,
      })
    })

    it('refuses what has no signature, another secret, or no secret at all', async () => {
      const secret = vendor.secret()
      const headers = await vendor.sign(body, secret, now)
      assert.notEqual(await vendor.verify(request(body, {}), context([secret], now)), 'ok')
      assert.notEqual(await vendor.verify(request(body, headers), context([vendor.secret()], now)), 'ok')
      assert.notEqual(await vendor.verify(request(body, headers), context([], now)), 'ok')
    })

    it('believes two secrets during a rotation, and a third not', async () => {
      const [old, young, other] = [vendor.secret(), vendor.secret(), vendor.secret()]
      for (const secret of [old, young]) {
        const headers = await vendor.sign(body, secret, now)
        assert.equal(await vendor.verify(request(body, headers), context([young, old], now)), 'ok')
      }
      const headers = await vendor.sign(body, other, now)
      assert.notEqual(await vendor.verify(request(body, headers), context([young, old], now)), 'ok')
    })

    // Of the others nothing signed says when.
    if (vendor.tolerance === undefined) return
    const { tolerance } = vendor
    it('refuses what is stale or from the future', async () => {
      const secret = vendor.secret()
      for (const seconds of [-tolerance - 2, -tolerance + 2, tolerance - 2, tolerance + 2]) {
        const at = now + seconds * 1000
        const signed = vendor.body(at)
        const headers = await vendor.sign(signed, secret, at)
        const verdict = await vendor.verify(request(signed, headers), context([secret], now))
        assert.equal(verdict === 'ok', Math.abs(seconds) < tolerance, `${seconds} s`)
      }
    })
  })
}

describe('F1 published vectors', () => {
  it('agrees with the examples in the documentation of Slack and GitHub', () => {
    const body =
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c'
    const slack = request(body, {
      'x-slack-request-timestamp': '1531420618',
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    })
    assert.equal(verifySlack(slack, context(['8f742231b10e8888abcd99yyyzzz85a5'], 1_531_420_618_000)), 'ok')
    const github = request('Hello, World!', {
      'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    })
    assert.equal(verifyGithub(github, context(["It's a Secret to Everybody"], 0)), 'ok')
  })
})

describe('F2 the payloads that GitHub publishes', () => {
  const payloads = examples.flatMap((event) =>
    event.examples.map((example) => ({ name: event.name, example })),
  )

  it('verifies each on its raw bytes, and refuses it written anew', async () => {
    const secret = hex()()
    let verified = 0
    let refused = 0
    for (const { example } of payloads) {
      const raw = JSON.stringify(example, null, 2)
      const headers = { 'x-hub-signature-256': await octokitSign(secret, raw) }
      if (verifyGithub(request(raw, headers), context([secret], 0)) === 'ok') verified += 1
      const anew = JSON.stringify(JSON.parse(raw))
      if (verifyGithub(request(anew, headers), context([secret], 0)) !== 'ok') refused += 1
    }
    assert(payloads.length >= 329)
    assert.deepEqual([verified, refused], [payloads.length, payloads.length])
    printFigure({
      requirement: 'F2',
      name: 'payloads verified on raw bytes',
      value: `${verified} of ${payloads.length}`,
    })
    printFigure({
      requirement: 'F2',
      name: 'payloads refused when written anew',
      value: `${refused} of ${payloads.length}`,
    })
  })

  it('fits each to the schema of its event', async () => {
    const { events } = await import('../server/integrations/github-events.ts')
    for (const specification of Object.values(events)) {
      const own = payloads.filter(({ name }) => name === specification.name)
      assert(own.length > 0, specification.name)
      for (const { example } of own) {
        const result = specification.schema?.safeParse(example)
        assert.equal(
          result?.success,
          true,
          `${specification.title}: ${JSON.stringify(result)?.slice(0, 400)}`,
        )
      }
    }
  })
})
