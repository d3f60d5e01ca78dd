// A value that shows itself only when asked by name, so that logging or serialising what holds it gives nothing away.

import { inspect } from 'node:util'

/** What a secret looks like everywhere but in {@link Secret.reveal}. */
export const secretMark = '[secret]'

/** Wraps a secret. Text, JSON and inspection all read `[secret]`. */
export class Secret<T = string> {
  readonly #value: T

  constructor(value: T) {
    this.#value = value
  }

  /** The value itself. Use it at once; never keep it in a plain object. */
  reveal(): T {
    return this.#value
  }

  /** `[secret]` */
  toString(): string {
    return secretMark
  }

  /** `[secret]` */
  toJSON(): string {
    return secretMark
  }

  /** `[secret]` */
  [inspect.custom](): string {
    return secretMark
  }
}
