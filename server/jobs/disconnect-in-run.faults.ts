// X15, second half: the account is disconnected by another process while a run acts as it. Within a second the run has
// stopped using the token, and it is cancelled.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { printFigure } from '../../scripts/figure.ts'
import { backends, isLong } from '../connect/fixtures/backends.ts'
import { rotatingMethod, startRotating } from '../connect/fixtures/rotating.ts'
import { baseUrl, connectDirectly, integrationOf, openWorkbench } from '../connect/fixtures/workbench.ts'
import { eventTrigger } from '../triggers/event-trigger.ts'
import { Chat } from './fixtures/chat.ts'
import { openEngine, reaches, until } from './fixtures/engine-fixture.ts'

const integration = 'rotating'
const accountId = 'ada'
const rounds = isLong ? 50 : 2
/** Far more than it may come to. */
const steps = 400
const stepMs = 25

describe('X15: a run whose account is disconnected by another process', { timeout: 600_000 }, () => {
  for (const backend of backends)
    it(`stops using its token, on ${backend.name}`, { skip: backend.skip }, async () => {
      const provider = await startRotating()
      const storeUrl = backend.open()
      const between = storeUrl === undefined ? {} : { storeUrl }
      const integrations = [integrationOf(integration, [rotatingMethod(provider)])]
      const bench = await openWorkbench(integrations, baseUrl, between)
      const other = await bench.another()
      const chat = new Chat()
      const { engine, close } = await openEngine(bench.directory, {
        storeUrl,
        integrations: [chat],
        resolveAuth: ({ run, ...request }) =>
          bench.connect.getAuth(request, run && { run: run.id, since: run.createdAt }),
        findConnection: (query) => bench.connect.findConnection(query),
      })
      const uses: { at: number; token: string }[] = []
      const latest: number[] = []
      engine.defineJob({
        id: 'act',
        name: 'Act',
        version: '1.0.0',
        trigger: eventTrigger({ name: 'act' }),
        integrations: { chat },
        run: async (_, io) => {
          for (let at = 0; at < steps; at += 1)
            await io.chat.step(`step ${at}`, async (token) => {
              uses.push({ at: performance.now(), token })
              await delay(stepMs)
              return at
            })
        },
      })
      try {
        await engine.start()
        for (let round = 0; round < rounds; round += 1) {
          assert.equal((await connectDirectly(bench.connect, { integration, accountId })).result, 'done')
          uses.length = 0
          const [id] = (await engine.sendEvent({ name: 'act', payload: null }, { accountId })).runIds
          await until('it acts', () => uses.length > 5, 120_000)
          await other.connect.disconnect({ integration, accountId }, 'test')
          const gone = performance.now()
          await assert.rejects(bench.connect.getAuth({ id: integration, accountId }), {
            code: 'not_connected',
          })
          await reaches(engine, id, 'cancelled', 120_000)
          assert.ok(uses.length < steps)
          latest.push(Math.max(0, (uses.at(-1)?.at ?? 0) - gone))
        }
      } finally {
        await close()
        await bench.close()
        await provider.close()
        await backend.drop(storeUrl)
      }
      const { name } = backend
      const worst = Math.round(Math.max(...latest))
      printFigure({ requirement: 'X15', name: `disconnects during a run, ${name}`, value: latest.length })
      printFigure({
        requirement: 'X15',
        name: `last use of the token after, ${name}`,
        value: worst,
        unit: 'ms',
      })
    })
})
