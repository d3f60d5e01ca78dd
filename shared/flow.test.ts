import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { flowLifetimeMs, isFinalStage, pollChannelName, returnParameter, type FlowStage } from './flow.ts'

describe('isFinalStage', () => {
  it('is true for the three ends and for nothing else', () => {
    const stages: Record<FlowStage, boolean> = {
      choose: false,
      fields: false,
      authorize: false,
      configure: false,
      verify: false,
      done: true,
      failed: true,
      cancelled: true,
    }
    for (const [stage, final] of Object.entries(stages))
      assert.equal(isFinalStage(stage as FlowStage), final, stage)
  })
})

describe('what both sides have agreed on', () => {
  it('stays as documented: hosts and browsers in the field rely on it', () => {
    assert.equal(flowLifetimeMs, 1_800_000)
    assert.equal(pollChannelName, 'authflow')
    assert.equal(returnParameter, 'authflow_flow')
  })
})
