/** A request that the guard does not let through; the message completes "The engine guard refuses …: ". */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}
