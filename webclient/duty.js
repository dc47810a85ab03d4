/**
 * PURE: what the relay worker looks after (`lookout.js`): the streams that a standby parent could
 * take over, and the children to whom our silence would say that we are gone.
 */

import { sameTrack } from "./relay.js";

/** @import {Duty} from "./lookout.js" */
/** @import {Edge, Participant, Track} from "./protocol.js" */
/** @import {Received} from "./relay.js" */
/** @import {Repair} from "./repair.js" */
/** @import {Room} from "./room.js" */

/**
 * @template T
 * @param {Room} room
 * @param {Repair} repair
 * @param {readonly Received<T>[]} received
 * @param {(track: T) => number | null} feedOf
 * @param {(neighbour: string) => readonly number[]} outletsOf
 * @returns {Duty}
 */
export function dutyOf({ you, edges, standbys, participants }, repair, received, feedOf, outletsOf) {
  const idle = repair.idle;
  const brought = received.flatMap(({ from, source, kind, track }) => {
    const feed = feedOf(track);
    const isIdle = idle.some((one) => one.parent === from && sameTrack(one, { source, kind }));
    const stream = `${source} ${kind}${isIdle ? " idle" : ""}`;
    return feed === null ? [] : [{ feed, neighbour: from, stream }];
  });
  const watched = edges.flatMap((edge) => {
    const { parent, child, kind } = edge;
    const spare = repair.standbyFor(edge)?.parent;
    if (child !== you || spare === undefined || spare === parent) return [];
    const comes = received.find(({ from, ...track }) => from === parent && sameTrack(track, edge));
    const feed = comes === undefined ? null : feedOf(comes.track);
    const still = isStill(edge, participants);
    return feed === null ? [] : [{ feed, parent, spare, sound: kind === "audio", still }];
  });
  const relayed = edges.filter(({ source, parent }) => parent === you && source !== you);
  const depending = [...relayed, ...standbys.filter(({ parent }) => parent === you)];
  const served = [...new Set(depending.map(({ child }) => child))].map(
    (child) => /** @type {const} */ ([child, outletsOf(child)]),
  );
  return { watched, brought, served };
}

/**
 * Whether a stream may stop by itself.
 *
 * @param {Track} track
 * @param {readonly Participant[]} participants
 */
function isStill({ source, kind }, participants) {
  const muted = participants.find(({ id }) => id === source)?.muted;
  return kind === "screen" || (muted?.[kind === "audio" ? "audio" : "video"] ?? false);
}
