/**
 * The `recvonly` transceivers that we make ourselves: for each stream that we want of the seat, which
 * never offers, and in the first offer to another browser a place for each that it is to send.
 */

import { onlyOpus, preferRelayed } from "./formats.js";
import { mediaOf } from "./protocol.js";
import { assign } from "./relay.js";

/** @import {Forwarder} from "./forwarder.js" */
/** @import {Track} from "./protocol.js" */
/** @import {Lane} from "./senders.js" */

export class Asking {
  #pc;
  #isSeat;
  #forwarder;
  /** @type {Lane<Track>[]} */
  #lanes = [];

  /**
   * @param {RTCPeerConnection} pc
   * @param {boolean} isSeat
   * @param {Forwarder} forwarder
   */
  constructor(pc, isSeat, forwarder) {
    this.#pc = pc;
    this.#isSeat = isSeat;
    this.#forwarder = forwarder;
  }

  /**
   * Asks for exactly `wanted`.
   *
   * @param {readonly Track[]} wanted
   * @returns {boolean} whether that has to be negotiated
   */
  ask(wanted) {
    const { carry, add } = assign(this.#lanes, wanted);
    this.#lanes.forEach((lane, i) => (lane.slot = carry[i] ?? null));
    for (const slot of add) {
      const media = mediaOf(slot.kind);
      const transceiver = this.#pc.addTransceiver(media, { direction: "recvonly" });
      if (this.#isSeat) onlyOpus(transceiver);
      else preferRelayed(transceiver);
      this.#forwarder.tap(transceiver.receiver);
      this.#lanes.push({ transceiver, media, slot });
    }
    return add.length > 0;
  }

  /** What we have asked the seat for. What comes to which place another browser says itself. */
  get named() {
    return this.#lanes.flatMap(({ transceiver, slot }) =>
      slot === null || !this.#isSeat ? [] : [/** @type {const} */ ([transceiver, slot])],
    );
  }

  /** The neighbour has offered first: it needs no places that are not offered yet. */
  withdraw() {
    const isOffered = (/** @type {Lane<Track>} */ { transceiver: { mid } }) => mid !== null;
    for (const { transceiver } of this.#lanes.filter((lane) => !isOffered(lane))) {
      this.#forwarder.forget(this.#forwarder.feedOf(transceiver.receiver.track));
      transceiver.stop();
    }
    this.#lanes = this.#lanes.filter(isOffered);
  }
}
