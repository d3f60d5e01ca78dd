// What a measurement gives, and how it is shown.

/** One figure of the bench. */
export interface BenchResult {
  /** Median over the rounds; null when it could not be measured, with the reason in `baseline`. */
  readonly value: number | null
  /** `requests/s`, `runs/s`, `bytes`, `ms`. */
  readonly unit: string
  /** What the value is compared with. */
  readonly baseline: string
  /** Median over the rounds of value by baseline, each pair from the same round; null without a baseline. */
  readonly ratio: number | null
}

/** Results by name, in the order in which they are shown. */
export type BenchResults = Record<string, BenchResult>

/** The middle value; the mean of the two middle ones of an even number. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}

/** Compares values with those of a baseline that were measured in the same rounds. */
export function compare(
  unit: string,
  values: readonly number[],
  baseline: { readonly name: string; readonly values: readonly number[] },
): BenchResult {
  const ratios = values.map((value, round) => value / (baseline.values[round] ?? Number.NaN))
  return { value: round(median(values)), unit, baseline: baseline.name, ratio: round(median(ratios)) }
}

/** A result that could not be had, and why. */
export const notMeasured = (unit: string, reason: string): BenchResult => ({
  value: null,
  unit,
  baseline: reason,
  ratio: null,
})

/** To four significant digits: what is beyond is noise. */
export const round = (value: number): number => Number(value.toPrecision(4))

/** The results as a table for people. */
export function formatTable(results: BenchResults): string {
  const rows = Object.entries(results).map(([name, { value, unit, baseline, ratio }]) => [
    name,
    value === null ? '–' : value.toLocaleString('en'),
    unit,
    ratio === null ? '–' : `${ratio} ×`,
    baseline,
  ])
  const table = [['name', 'value', 'unit', 'ratio', 'baseline'], ...rows]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
