/**
 * Tells the server once a second how we do: whoever is silent for three seconds is offline.
 *
 * A worker has the timer, so a hidden page goes on; a frozen one does not, and shall not.
 */

import { MachineWatch } from "./machine.js";
import { Reporter } from "./report.js";

/** @import {Link} from "./report.js" */
/** @import {EdgeStats} from "./senders.js" */
/** @import {ReportMessage} from "./protocol.js" */

/** Looking at all connections is some work: it is done every so many ticks. */
const LOOK_EVERY = 2;

export class Reporting {
  #links;
  #stats;
  #send;
  #worker = new Worker(new URL("./tick-worker.js", import.meta.url), { type: "module" });
  #machine = new MachineWatch();
  #reporter = new Reporter();
  #active = false;
  #looking = false;
  #ticks = 0;

  /**
   * @param {object} options
   * @param {() => Promise<Link[]>} options.links
   * @param {() => Promise<EdgeStats[]>} options.stats
   * @param {(message: ReportMessage) => void} options.send
   */
  constructor({ links, stats, send }) {
    this.#links = links;
    this.#stats = stats;
    this.#send = send;
    this.#worker.onmessage = () => this.#tick();
  }

  /** A participation begins. */
  begin() {
    this.#active = true;
    this.#ticks = 0;
    this.#reporter = new Reporter();
    this.#tell();
  }

  /** It is over, or interrupted: the server would not know what to do with a report. */
  pause() {
    this.#active = false;
  }

  /** Nothing comes after this. */
  end() {
    this.pause();
    this.#worker.terminate();
    this.#machine.end();
  }

  #tick() {
    if (!this.#active) return;
    if (this.#ticks % LOOK_EVERY === 0) void this.#look();
    this.#ticks += 1;
    this.#tell();
  }

  #tell() {
    this.#send({ type: "report", ...this.#reporter.report(this.#machine.now()) });
  }

  /** What it finds goes into the next report: a browser that is slow to count is there all the
   * same. */
  async #look() {
    if (this.#looking) return;
    this.#looking = true;
    const reporter = this.#reporter;
    try {
      const [links, sends] = await Promise.all([this.#links(), this.#stats()]);
      reporter.look(links, sends, performance.now());
    } catch (error) {
      console.error("statistics:", error);
    } finally {
      this.#looking = false;
    }
  }
}
