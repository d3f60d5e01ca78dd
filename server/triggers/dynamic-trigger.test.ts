import assert from 'node:assert/strict'
import { createHmac, randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { events } from '../integrations/github.ts'
import { until } from '../jobs/fixtures/engine-fixture.ts'
import type { Json } from '../jobs/job.ts'
import { DynamicTrigger } from './dynamic-trigger.ts'
import { eventTrigger } from './event-trigger.ts'
import { startWorld, type World, type WorldClient, type worldIntegrations } from './fixtures/trigger-world.ts'

interface Seen {
  readonly job: string
  readonly title: string
  readonly key: string | undefined
  readonly account: string | undefined
  readonly metadata: unknown
}

let seen: Seen[] = []
let opened: DynamicTrigger<Json, { issue: { title: string } }>

type Integrations = ReturnType<typeof worldIntegrations>

/** A source of GitHub, and what names ada's and grace's place in it. */
interface Kind {
  readonly source: 'repo' | 'org'
  readonly acme: Json
  readonly globex: Json
  /** A place that is not there. */
  readonly gone: Json
  /** What no place is called. */
  readonly wrong: Json
  /** Of acme and globex, as the stand-in calls them. */
  readonly places: readonly [string, string]
}

const kinds: readonly Kind[] = [
  {
    source: 'repo',
    acme: { owner: 'acme', repo: 'website' },
    globex: { owner: 'globex', repo: 'reports' },
    gone: { owner: 'acme', repo: 'gone' },
    wrong: { owner: '../..', repo: 'x' },
    places: ['repos/acme/website', 'repos/globex/reports'],
  },
  {
    source: 'org',
    acme: { org: 'acme' },
    globex: { org: 'globex' },
    gone: { org: 'gone' },
    wrong: { org: '../..' },
    places: ['orgs/acme', 'orgs/globex'],
  },
]

function define(source: Kind['source'], client: WorldClient, [github]: Integrations): void {
  const facts = { id: 'github-issue-opened', event: events.onIssueOpened }
  opened =
    source === 'repo'
      ? new DynamicTrigger(client, { ...facts, source: github.sources.repo })
      : new DynamicTrigger(client, { ...facts, source: github.sources.org })
  for (const id of ['first', 'second'])
    client.defineJob({
      id,
      name: id,
      version: '1.0.0',
      trigger: opened,
      integrations: { github },
      run: async (payload, io, ctx) => {
        const me = await io.github.runTask(
          'me',
          async (octokit) => (await octokit.rest.users.getAuthenticated()).data.login,
        )
        seen.push({
          job: id,
          title: `${payload.issue.title} by ${me}`,
          key: ctx.source?.id,
          account: ctx.account?.id,
          metadata: ctx.source?.metadata,
        })
      },
    })
}

for (const { source, acme, globex, gone, wrong, places } of kinds)
  describe(`DynamicTrigger at github.${source}`, () => {
    const [acmePlace, globexPlace] = places
    let world: World
    before(async () => {
      seen = []
      world = await startWorld({ define: (client, integrations) => define(source, client, integrations) })
      await world.connect('github-customers', '123', { person: 'ada' })
      await world.connect('github-customers', '456', { person: 'grace' })
    })
    after(() => world.close())
    const open = (title: string, author = 'ada', repo = 'acme/website') =>
      world.sandbox.github.openIssue({ repo, title, author })

    it('makes a webhook as the account and starts each job once, for this registration and account only', async () => {
      const made = await opened.register('123-website', acme, { accountId: '123', metadata: { plan: 'pro' } })
      assert.deepEqual([made.state, made.accountId, made.params, made.error], ['active', '123', acme, null])
      await opened.register('456-reports', globex, { accountId: '456' })
      assert.equal(world.sandbox.github.hooks().length, 2)
      const [hook] = world.sandbox.github.hooks()
      assert.deepEqual([hook?.place, hook?.events], [acmePlace, ['issues']])
      assert.match(hook?.url ?? '', /\/webhooks\/wh_[\w-]{32}$/)

      await open('one')
      await until('both jobs', () => seen.length === 2)
      assert.deepEqual(seen.map(({ job }) => job).sort(), ['first', 'second'])
      const [run] = seen
      const expected = { title: 'one by ada', key: '123-website', account: '123', metadata: { plan: 'pro' } }
      assert.deepEqual({ ...run, job: undefined }, { ...expected, job: undefined })

      seen = []
      await open('two', 'grace', 'globex/reports')
      await until('both jobs', () => seen.length === 2)
      assert(
        seen.every(
          ({ account, key, title }) => account === '456' && key === '456-reports' && title === 'two by grace',
        ),
      )
    })

    it('starts nothing for a repeated delivery, however often', async () => {
      seen = []
      await open('three')
      await until('both jobs', () => seen.length === 2)
      const sent = world.sandbox.github.deliveries().at(-1)
      for (let times = 0; times < 5; times += 1) {
        assert.equal((await world.sandbox.github.redeliver(sent?.id ?? '')).status, 200)
      }
      // The id is not signed: the same body under another id is a repeat too.
      const copy = await fetch(sent?.url ?? '', {
        method: 'POST',
        body: sent?.body ?? '',
        headers: { ...sent?.headers, 'x-github-delivery': randomUUID() },
      })
      assert.equal(copy.status, 200)
      const runs = await world.client.runs.list({ accountId: '123', limit: 100 })
      assert.equal(runs.items.length, 4)
    })

    it('refuses what is not signed with the secret of this registration, and says nothing', async () => {
      const sent = world.sandbox.github
        .deliveries()
        .findLast(({ headers }) => headers['x-github-event'] === 'issues')
      const others = world.sandbox.github.hooks().find(({ place }) => place === globexPlace)
      const body = sent?.body ?? ''
      const post = (headers: Record<string, string>, url = sent?.url ?? '') =>
        fetch(url, { method: 'POST', body, headers })
      const good = { ...sent?.headers, 'x-github-delivery': randomUUID() }
      const unsigned = Object.fromEntries(
        Object.entries(good).filter(([name]) => !name.includes('signature')),
      )
      const forged = {
        ...good,
        'x-hub-signature-256': `sha256=${createHmac('sha256', 'guess').update(body).digest('hex')}`,
      }
      for (const answer of [await post(unsigned), await post(forged), await post(good, others?.url)]) {
        assert.equal(answer.status, 401)
        assert.equal(JSON.parse(await answer.text()).code, 'signature_invalid')
      }
      const unknown = await post(good, `${world.url}/webhooks/wh_${'x'.repeat(32)}`)
      assert.equal(unknown.status, 404)
      assert.equal((await fetch(sent?.url ?? '')).status, 405)
      const large = await fetch(sent?.url ?? '', {
        method: 'POST',
        body: 'x'.repeat(1024 * 1024 + 1),
        headers: good,
      })
      assert.equal(large.status, 413)
    })

    it('changes nothing when registered again, and moves when the parameters differ', async () => {
      const before = world.sandbox.github.hooks()
      await opened.register('123-website', acme, { accountId: '123', metadata: { plan: 'pro' } })
      assert.deepEqual(world.sandbox.github.hooks(), before)
      await assert.rejects(opened.register('123-website', gone, { accountId: '123' }), {
        code: 'provider_rejected',
      })
      assert.equal((await opened.get('123-website')).state, 'failed')
      const back = await opened.register('123-website', acme, { accountId: '123' })
      assert.equal(back.state, 'active')
      assert.equal(world.sandbox.github.hooks().length, 2)
    })

    it('leaves nothing behind when the provider refuses a new registration', async () => {
      const refused = opened.register('nothing', gone, { accountId: '123' })
      await assert.rejects(refused, { code: 'provider_rejected' })
      await assert.rejects(opened.get('nothing'), { code: 'not_found' })
      await assert.rejects(opened.register('', acme, { accountId: '123' }), { code: 'invalid_input' })
      await assert.rejects(opened.register('x', acme), { code: 'invalid_input' })
      await assert.rejects(opened.register('x', wrong, { accountId: '123' }), {
        code: 'invalid_input',
      })
    })

    it('keeps registrations over a restart', async () => {
      await world.restart()
      await world.client.start()
      seen = []
      await open('after the restart')
      await until('both jobs', () => seen.length === 2)
      assert.equal((await opened.list()).items.length, 2)
      assert.deepEqual(
        (await opened.list({ accountId: '456' })).items.map(({ key }) => key),
        ['456-reports'],
      )
    })

    it('accepts the old secret for a while after a rotation', async () => {
      seen = []
      await open('before')
      await until('both jobs', () => seen.length === 2)
      const old = world.sandbox.github.deliveries().at(-1)
      const oldSignature = old?.headers['x-hub-signature-256']
      await opened.rotateSecret('123-website')
      const trail = await world.client.audit.list({ action: 'registration.secret_rotated' })
      const [row] = trail.items
      assert.deepEqual([row?.actor, row?.integration, row?.reason], ['server', 'github-customers', opened.id])
      seen = []
      await open('after')
      await until('both jobs', () => seen.length === 2)
      assert.notEqual(oldSignature, undefined)
      // What was signed before and comes late is believed, and told as a repeat.
      assert.equal((await world.sandbox.github.redeliver(old?.id ?? '')).status, 200)
    })

    it('makes again what was deleted at the provider', async () => {
      const [hook] = world.sandbox.github.hooks().filter(({ place }) => place === acmePlace)
      assert.equal(await world.sandbox.github.removeHook(hook?.id ?? 0), true)
      // What the upkeep does a few times a day.
      await world.connect('github-customers', '123', { person: 'ada' })
      await until('the hook', () => world.sandbox.github.hooks().some(({ place }) => place === acmePlace))
      seen = []
      await open('repaired')
      await until('both jobs', () => seen.length === 2)
    })

    it('follows its account to another, with a URL of its own', async () => {
      const [before] = world.sandbox.github.hooks().filter(({ place }) => place === globexPlace)
      await world.connect('github-customers', '789', { person: 'grace' })
      const moved = await opened.register('456-reports', globex, { accountId: '789' })
      assert.equal(moved.accountId, '789')
      const [hook, ...more] = world.sandbox.github.hooks().filter(({ place }) => place === globexPlace)
      assert.equal(more.length, 0)
      assert.notEqual(hook?.url, before?.url)
      seen = []
      await open('moved', 'grace', 'globex/reports')
      await until('both jobs', () => seen.length === 2)
      assert(seen.every(({ account }) => account === '789'))
    })

    it('removes the webhook on unregister, and what it still sends finds nobody', async () => {
      const [hook] = world.sandbox.github.hooks().filter(({ place }) => place === globexPlace)
      assert.equal(await opened.unregister('456-reports'), true)
      assert.equal(await opened.unregister('456-reports'), false)
      assert.equal(
        world.sandbox.github.hooks().some(({ place }) => place === globexPlace),
        false,
      )
      assert.equal((await fetch(hook?.url ?? '', { method: 'POST', body: '{}' })).status, 404)
    })

    it('waits for an account without a connection, and begins when it connects', async () => {
      const made = await opened.register('late', acme, { accountId: 'late' })
      assert.deepEqual([made.state, made.error?.code], ['waiting', 'not_connected'])
      const count = world.sandbox.github.hooks().length
      await world.connect('github-customers', 'late', { person: 'ada' })
      await until('active', async () => (await opened.get('late')).state === 'active')
      assert.equal(world.sandbox.github.hooks().length, count + 1)
    })

    it('removes the webhook with the last credentials on disconnect, and makes it again on reconnect', async () => {
      const of = (account: string) => opened.list({ accountId: account })
      const place = (): number =>
        world.sandbox.github.hooks().filter((hook) => hook.place === acmePlace).length
      const count = place()
      const [hook] = world.sandbox.github
        .hooks()
        .filter(({ id }) => id > 0)
        .slice(-1)
      await world.client.connections.disconnect({ integration: 'github-customers', accountId: 'late' })
      // At once, whether or not the provider has been told.
      assert.equal((await fetch(hook?.url ?? '', { method: 'POST', body: '{}' })).status, 404)
      await until('the hook to go', () => place() === count - 1)
      await until('waiting', async () => (await of('late')).items[0]?.state === 'waiting')
      await world.connect('github-customers', 'late', { person: 'ada' })
      await until('the hook to be back', () => place() === count)
      assert.equal((await of('late')).items[0]?.state, 'active')
    })

    it('does not hand a registration to another identity', async () => {
      const url = world.sandbox.github.hooks().at(-1)?.url ?? ''
      assert.equal((await fetch(url, { method: 'POST', body: '{}' })).status, 401)
      await world.client.connections.disconnect({ integration: 'github-customers', accountId: 'late' })
      await until('waiting', async () => (await opened.get('late')).state === 'waiting')
      await world.connect('github-customers', 'late', { person: 'grace' })
      const failed = await until('failed', async () => {
        const found = await opened.get('late')
        return found.state === 'failed' ? found : undefined
      })
      assert.equal(failed.error?.code, 'identity_changed')
      // What the old identity's webhook may still send would be believed by its signature: it is nobody's.
      assert.equal((await fetch(url, { method: 'POST', body: '{}' })).status, 404)
      await opened.unregister('late')
    })

    it('follows its account to another name', async () => {
      const before = world.sandbox.github.hooks()
      await world.client.accounts.rename({ from: '123', to: 'ada@acme' })
      await until('the name', async () => (await opened.get('123-website')).accountId === 'ada@acme')
      assert.deepEqual(world.sandbox.github.hooks(), before)
      seen = []
      await open('renamed')
      await until('both jobs', () => seen.length === 2)
      assert(seen.every(({ account }) => account === 'ada@acme'))
      await world.client.accounts.rename({ from: 'ada@acme', to: '123' })
      await until('the name', async () => (await opened.get('123-website')).accountId === '123')
    })

    it('starts nothing for payloads that the registration’s own filter leaves out', async () => {
      const filter = { issue: { title: ['wanted'] } }
      const hooks = world.sandbox.github.hooks().length
      await opened.register('filtered', acme, { accountId: '123', filter })
      seen = []
      await open('other')
      await open('wanted')
      await until('six jobs', () => seen.length === 6)
      const titles = (key: string) => seen.flatMap((one) => (one.key === key ? [one.title] : [])).sort()
      assert.deepEqual(titles('filtered'), ['wanted by ada', 'wanted by ada'])
      assert.equal(titles('123-website').length, 4)
      // Another filter is nothing to tell the provider of.
      const [hook] = world.sandbox.github.hooks().slice(-1)
      await opened.register('filtered', acme, { accountId: '123', filter: { issue: { title: ['other'] } } })
      assert.deepEqual(world.sandbox.github.hooks().slice(-1), [hook])
      seen = []
      await open('wanted')
      await open('other')
      await until('six jobs', () => seen.length === 6)
      assert.deepEqual(titles('filtered'), ['other by ada', 'other by ada'])
      const none = { issue: { title: [{ $gt: 'a text' }] } }
      const wrongFilter = opened.register('filtered', acme, { accountId: '123', filter: none })
      await assert.rejects(wrongFilter, { code: 'invalid_input' })
      await opened.unregister('filtered')
      assert.equal(world.sandbox.github.hooks().length, hooks)
    })

    it('does not register twice in a run that is replayed', async () => {
      world.client.defineJob({
        id: 'register',
        name: 'Register',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'register' }),
        run: async (_, io) => {
          const made = await opened.register('from-a-run', acme, { accountId: '123' })
          await io.wait('a moment', 0.2)
          await opened.unregister('from-a-run')
          await io.wait('another', 0.2)
          return made.state
        },
      })
      const { runIds } = await world.client.sendEvent({ name: 'register', payload: {} })
      const run = await until('the end', async () => {
        const found = await world.client.runs.get({ id: runIds[0] ?? '' })
        return found.endedAt === null ? undefined : found
      })
      assert.equal(run.state, 'succeeded')
      await assert.rejects(opened.get('from-a-run'), { code: 'not_found' })
    })
  })

describe('new DynamicTrigger', () => {
  it('refuses the same id twice, an id that is none, and an event of another provider', async () => {
    const world = await startWorld({ define: (client, integrations) => define('repo', client, integrations) })
    const [github] = world.integrations
    const make = (id: string, event = events.onIssueOpened) =>
      new DynamicTrigger(world.client, { id, event, source: github.sources.repo })
    assert.throws(() => make('github-issue-opened'), { code: 'duplicate_trigger' })
    assert.throws(() => make('a b'), { code: 'invalid_input' })
    assert.throws(() => make('x', { ...events.onIssueOpened, provider: 'linear' }), { code: 'invalid_input' })
    const nobody = { trigger: 'nobody', key: 'x', params: {}, accountId: '1' }
    await assert.rejects(world.client.registrations.register(nobody), { code: 'unknown_trigger' })
    await world.close()
  })

  it('names what is missing, and the part of the event’s filter that is none', async () => {
    const world = await startWorld({ define: (client, integrations) => define('repo', client, integrations) })
    const source = world.integrations[0].sources.repo
    const event = events.onIssueOpened
    const cases: [unknown, RegExp][] = [
      [undefined, /takes an object with id, event, source/],
      [{ id: 'x', source }, /^DynamicTrigger x needs an `event`/],
      [{ id: 'x', event }, /^DynamicTrigger x needs a `source`/],
      [
        { id: 'x', source, event: { ...event, schema: {} } },
        /schema of DynamicTrigger x must have safeParse/,
      ],
      [
        { id: 'x', source, event: { ...event, filter: { action: 'opened' } } },
        /^event\.filter of DynamicTrigger x\.action must be an object or an array/,
      ],
      [{ id: 'x', source, event, filter: {} }, /no option "filter"/],
    ]
    for (const [options, message] of cases) {
      const refused = { code: 'invalid_input', message }
      assert.throws(() => new DynamicTrigger(world.client, options as never), refused)
    }
    const alone = { id: 'x', source, event }
    assert.throws(() => new DynamicTrigger(undefined as never, alone), {
      message: /^DynamicTrigger x needs the client/,
    })
    const trigger = new DynamicTrigger(world.client, alone)
    await assert.rejects(trigger.get('k'), { code: 'not_found', message: /registration "k" of x/ })
    const params = { owner: 'a', repo: 'b', note: 'x'.repeat(20_000) }
    await assert.rejects(trigger.register('k', params, { accountId: '1' }), {
      message: /^params must be JSON/,
    })
    await assert.rejects(trigger.unregister(7 as never), { message: /^The key given to unregister of x/ })
    await world.close()
  })
})
