import type { CodexNotification } from '../protocol.ts';

const PART_CHARACTERS = 65_536;

/** Assembles reasoning summaries: a part is complete when the next part begins or its item ends. */
export class ReasoningSummaries {
  #itemId = '';
  #text = '';
  #index = 0;
  #given = 0;

  /** The parts that a notification completes. */
  partsOf({ method, params }: CodexNotification): string[] {
    switch (method) {
      case 'item/started':
        // Codex repeats an item with the same id after it lost the connection to the model.
        if (params.item?.type === 'reasoning') this.#begin(params.item.id);
        return [];
      case 'item/reasoning/summaryPartAdded':
        return this.#nextPart(params.itemId, params.summaryIndex);
      case 'item/reasoning/summaryTextDelta':
        if (params.itemId === this.#itemId && params.summaryIndex === this.#index) {
          this.#add(params.delta);
        }
        return [];
      case 'item/completed':
        return params.item?.type === 'reasoning' ? this.#rest(params.item) : [];
      default:
        return [];
    }
  }

  #begin(itemId: string): void {
    this.#itemId = itemId;
    this.#text = '';
    this.#index = 0;
    this.#given = 0;
  }

  #add(delta: string): void {
    if (this.#text.length < PART_CHARACTERS) this.#text += delta;
  }

  #nextPart(itemId: string, index: number): string[] {
    if (itemId !== this.#itemId || index <= this.#index) return [];
    const part = this.#text;
    this.#text = '';
    this.#index = index;
    this.#given = index;
    return part ? [part] : [];
  }

  #rest(item: { id: string; summary: string[] }): string[] {
    const given = item.id === this.#itemId ? this.#given : 0;
    this.#begin('');
    return item.summary.slice(given).filter((part) => part !== '');
  }
}
