// What is being filled in before anybody else may read it.

/** The type without its `readonly`. */
export type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }
