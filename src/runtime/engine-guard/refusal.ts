/** A refused request; the message completes "The engine guard refuses …: ". */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}
