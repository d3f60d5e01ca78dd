// Notes that the runs of events are being made. A note is stored before its events and removed when their runs are there;
// where a crash comes in between, the sweep finds the note and finishes. Events that are taken in together share one.

import { randomText } from '../../shared/ids.ts'
import type { Store } from '../store/store.ts'
import { dispatches } from './records.ts'

/** An event of a note: the sweep reads that many records for each that is left behind. */
const mostEvents = 100
const idLength = 24

/** The part of one event in a note. */
export interface DispatchPart {
  /**
   * The runs are there, or the event was not stored: the note may go. Not to be called when that is unknown: then the
   * sweep finishes it.
   */
  done(): void
}

interface Note extends DispatchPart {
  readonly events: string[]
  readonly stored: Promise<void>
}

/** The notes of one process. */
export class DispatchNotes {
  readonly #store: Store
  readonly #now: () => number
  /** Takes in more until the end of the turn. */
  #open: Note | undefined

  constructor({ store, now }: { readonly store: Store; readonly now: () => number }) {
    this.#store = store
    this.#now = now
  }

  /** Notes the event, together with the others of this turn of the event loop; resolves once that is stored. */
  async add(event: string): Promise<DispatchPart> {
    const note = (this.#open ??= this.#begin())
    note.events.push(event)
    if (note.events.length >= mostEvents) this.#open = undefined
    await note.stored
    return note
  }

  #begin(): Note {
    const id = randomText(idLength)
    const all: string[] = []
    let left = 0
    const stored = new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        if (this.#open === note) this.#open = undefined
        left = all.length
        const document = { id, scope: 'dispatch', createdAt: this.#now(), events: all } as const
        this.#store.insert(dispatches, document).then(() => resolve(), reject)
      })
    })
    const done = (): void => {
      left -= 1
      // One that stays because this fails costs the sweep a look.
      if (left === 0) this.#store.remove(dispatches, id).catch(() => undefined)
    }
    const note: Note = { events: all, stored, done }
    return note
  }
}
