// Where events come from: the senders' own sources, and those that only the server's parts may name.

/** Where events come from unless the sender says otherwise. */
export const defaultSource = 'authflow'

/** Sources of the triggers' own events begin so; no sender can name one. */
export const reservedSource = 'authflow:'

/** Name of the events that `invoke` makes. */
export const invokeEvent = 'invoke'

/** Source of the events that invoke a job. */
export const invokeSource = (job: string): string => `${reservedSource}invoke/${job}`
