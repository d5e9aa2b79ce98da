// A live stream of the pen: frames go to the server in blocks, one message at a time; events come back.

const TICK = 40; // ms between messages, at least
const MAX_BLOCK = 100; // frames of a message
const MIN_STEP = 0.008; // widths between frames; the server takes several frames to a step
const REST = 250; // ms without movement after which the pen rests
const REST_FRAMES = 10; // frames at one place, which the server takes for a rest

const LOST = { problem: "The connection to the server was lost.", remedy: "Draw again: a stream belongs to its connection." };

/** Sends streams one after the other. */
export class PenStream {
  #socket = null;
  #streams = []; // {turn, x, y, t, end}: frames that were not sent
  #turn = 0;
  #id = 0;
  #sent = null; // {id, turn} of the message in progress
  #timer = null;
  #last = null; // {x, y, t, moved, rests}: the latest position of the pen

  /**
   * @param onevents called with the events of the current stream as they are found
   * @param onunderway called with what is under way, or null, after every message
   * @param onready called with true once the server can take frames, false while it prepares
   * @param onerror called with {problem, remedy}
   */
  constructor({ onevents, onunderway, onready, onerror }) {
    Object.assign(this, { onevents, onunderway, onready, onerror });
  }

  /** Connect unless connected, and let the server prepare for its current model. */
  open() {
    if (this.#socket) return this.#prepare();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/stream`);
    this.#socket = socket;
    this.onready(false);
    socket.onopen = () => this.#prepare();
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = () => socket === this.#socket && this.#closed();
    this.#timer = setInterval(() => this.#tick(), TICK);
  }

  /** Disconnect; a stream in progress is dropped. */
  close() {
    const socket = this.#socket;
    this.#forget();
    socket?.close();
  }

  /** Begin a stream. */
  begin() {
    this.open();
    this.#streams.push({ turn: ++this.#turn, x: [], y: [], t: [], end: false });
    this.#last = null;
  }

  /** Take the newest position of the pen; seconds since the stream began. */
  add(x, y, t) {
    if (this.#streams.at(-1)?.turn !== this.#turn) return; // the connection was lost
    const now = performance.now();
    const last = this.#last;
    this.#last = { x, y, t: Math.max(t, (last?.t ?? -1) + 1e-4), moved: now, rests: false, since: now - 1000 * t };
    if (last && Math.hypot(x - last.sent.x, y - last.sent.y) < MIN_STEP) this.#last.sent = last.sent;
    else this.#push();
  }

  /** End the stream after the frames it has. */
  end() {
    const stream = this.#streams.at(-1);
    if (stream?.turn !== this.#turn || stream.end) return;
    if (this.#last && this.#last.sent !== this.#last) this.#push();
    stream.end = true;
    this.#send();
  }

  /** Drop the stream: no more of its events are wanted. */
  cancel() {
    const stream = this.#streams.at(-1);
    if (stream?.turn === this.#turn) Object.assign(stream, { x: [], y: [], t: [], end: true });
    this.#turn++;
  }

  #push() {
    const { x, y, t } = this.#last;
    const stream = this.#streams.at(-1);
    if (!stream || stream.end) return;
    stream.x.push(x);
    stream.y.push(y);
    stream.t.push(t);
    this.#last.sent = this.#last;
  }

  #tick() {
    const last = this.#last;
    const now = performance.now();
    if (last && !last.rests && now - last.moved > REST) {
      last.rests = true;
      last.t = Math.max(last.t, (now - last.since) / 1000 - 1e-3 * REST_FRAMES);
      for (let i = 0; i < REST_FRAMES; i++) {
        last.t += 1e-3;
        this.#push();
      }
    }
    this.#send();
  }

  #send() {
    if (this.#sent || this.#socket?.readyState !== WebSocket.OPEN) return;
    const stream = this.#streams[0];
    if (!stream || (!stream.x.length && !stream.end)) return;
    const [x, y, times] = [stream.x, stream.y, stream.t].map((values) => values.splice(0, MAX_BLOCK));
    const end = stream.end && !stream.x.length;
    if (end) this.#streams.shift();
    this.#ask({ channels: [x, y], times, end }, stream.turn);
  }

  #prepare() {
    if (this.#sent || this.#streams.length || this.#socket.readyState !== WebSocket.OPEN) return;
    this.onready(false);
    this.#ask({}, this.#turn);
  }

  #ask(message, turn) {
    this.#sent = { id: ++this.#id, turn };
    this.#socket.send(JSON.stringify({ id: this.#id, ...message }));
  }

  #receive({ id, events, under_way: underWay, error }) {
    if (id !== this.#sent?.id) return;
    const { turn } = this.#sent;
    this.#sent = null;
    this.onready(true);
    if (error) this.onerror(error);
    else if (turn === this.#turn) {
      if (events.length) this.onevents(events);
      this.onunderway(underWay);
    }
    if (turn === this.#turn) dispatchEvent(new CustomEvent("egem:streamed"));
  }

  #closed() {
    const lost = this.#streams.length > 0;
    this.#forget();
    if (lost) this.onerror(LOST);
  }

  #forget() {
    clearInterval(this.#timer);
    this.#socket = this.#sent = this.#last = null;
    this.#streams = [];
    this.#turn++;
  }
}
