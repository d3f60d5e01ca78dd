// The figures that tests of requirements print, in one form, so that a page can be made of a run's output.

/** What was measured: the requirement's name (`E1`), what it counts, the value and its unit. */
export interface Figure {
  readonly requirement: string
  readonly name: string
  readonly value: number | string
  readonly unit?: string
}

/** Prints the figure on a line of its own: `FIGURE E1 refreshes per round: 1`. */
export function printFigure({ requirement, name, value, unit }: Figure): void {
  console.log(`FIGURE ${requirement} ${name}: ${value}${unit === undefined ? '' : ` ${unit}`}`)
}
