// What jobs keep from one run to the next: named values of a job or of the whole environment. A name is found by its
// digest, so that it may be anything and the store shows none; the value is sealed for its place.

import { AuthFlowError } from '../../shared/errors.ts'
import type { SealedSet } from '../vault/sealed-set.ts'
import type { EngineCore } from './core.ts'
import type { HostValues, Json } from './job.ts'
import { digest, values, type ValueDocument } from './records.ts'

const maxNameLength = 256
/** Bytes of a value as JSON. */
const maxValueBytes = 256 * 1024
/** Two writers at once take turns; this is for a store that keeps losing the race. */
const maxTries = 10

/** How values are sealed anew. */
export const sealedValues: SealedSet<ValueDocument> = {
  set: values,
  busy: () => undefined,
  reseal: ({ id, value }, vault) => ({ value: vault.session('value', id).reseal(value, 'value') }),
}

/** Where values are: those of a job, or of the environment where none is named. */
export function valueId(name: string, job?: string): string {
  return job === undefined ? `global/${digest(name)}` : `job/${job}/${digest(name)}`
}

/** The value, or undefined. */
export async function getValue({ store, vault }: EngineCore, id: string): Promise<Json | undefined> {
  const found = await store.get(values, id)
  if (found === undefined) return undefined
  return JSON.parse(vault.session('value', id).open(found.value, 'value')) as Json
}

/** Sets the value, which is JSON text: the last one to write wins. */
export async function setValue(core: EngineCore, id: string, text: string): Promise<void> {
  const { store, vault, now } = core
  const facts = { value: vault.session('value', id).seal(text, 'value'), updatedAt: Math.floor(now()) }
  for (let tries = 0; tries < maxTries; tries += 1) {
    if (await store.update(values, id, {}, { set: facts })) return
    if (await store.insert(values, { id, ...facts })) return
  }
  throw new AuthFlowError('conflict')
}

/** True when there was one. */
export const deleteValue = ({ store }: EngineCore, id: string): Promise<boolean> => store.remove(values, id)

/** True when there is one. */
export const hasValue = async ({ store }: EngineCore, id: string): Promise<boolean> =>
  (await store.get(values, id)) !== undefined

/**
 * Checks the name of a value.
 *
 * @throws {@link AuthFlowError} `invalid_input`
 */
export function checkName(place: string, name: unknown): string {
  if (typeof name === 'string' && name !== '' && name.length <= maxNameLength && name.isWellFormed())
    return name
  throw new AuthFlowError(
    'invalid_input',
    `${place}: the name of a value must be text of 1 to ${maxNameLength} characters.`,
  )
}

/**
 * JSON text of a value that may be kept.
 *
 * @throws {@link AuthFlowError} `invalid_input`, `value_too_large`
 */
export function checkValue(place: string, value: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value) as string | undefined
  } catch {
    text = undefined
  }
  if (text === undefined)
    throw new AuthFlowError('invalid_input', `${place}: the value must be JSON. Use delete to remove one.`)
  if (Buffer.byteLength(text) <= maxValueBytes) return text
  throw new AuthFlowError(
    'value_too_large',
    `${place}: a value may have 256 KB. Keep it elsewhere and store a reference.`,
    { details: { limit: maxValueBytes } },
  )
}

/** Values of the environment for code outside of runs. */
export function createHostValues(core: EngineCore): HostValues {
  const place = (verb: string): string => `store.global.${verb}`
  return {
    get: async (name) => getValue(core, valueId(checkName(place('get'), name))),
    has: async (name) => hasValue(core, valueId(checkName(place('has'), name))),
    set: async (name, value) => {
      const id = valueId(checkName(place('set'), name))
      await setValue(core, id, checkValue(place('set'), value))
    },
    delete: async (name) => deleteValue(core, valueId(checkName(place('delete'), name))),
  }
}
