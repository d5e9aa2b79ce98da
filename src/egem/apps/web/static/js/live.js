// Live classification over a WebSocket: one request at a time, then the newest stroke.

const MIN_WAIT = 250; // ms before a new connection; doubled up to MAX_WAIT
const MAX_WAIT = 4000;
const MIN_TIMEOUT = 5000; // ms of a request; doubled up to MAX_TIMEOUT
const MAX_TIMEOUT = 60000;

/** A connection that restores itself. */
export class Live {
  #socket = null;
  #waiting = null; // the newest request that was not sent
  #sent = null; // the request in progress
  #wait = MIN_WAIT;
  #timeout = MIN_TIMEOUT;
  #id = 0;

  /**
   * @param onanswer called with the verdict and the request's `about`
   * @param onerror called with {problem, remedy}
   * @param onlink called with true and false as the connection opens and closes
   */
  constructor(onanswer, onerror, onlink) {
    this.onanswer = onanswer;
    this.onerror = onerror;
    this.onlink = onlink;
  }

  /** Connect, and reconnect from then on. */
  open() {
    this.#connect();
  }

  /** Request a verdict; a request that still waits is replaced. */
  ask(stroke, done, about) {
    this.#waiting = { stroke, done, about };
    this.#send();
  }

  /** Cancel all requests; their answers are dropped. */
  cancel() {
    this.#waiting = null;
    if (this.#sent) this.#sent.dropped = true;
  }

  #connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/live`);
    this.#socket = socket;
    socket.onopen = () => {
      this.#wait = MIN_WAIT;
      this.onlink(true);
      this.#send();
    };
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = () => {
      if (this.#sent && !this.#sent.dropped) this.#waiting ??= this.#sent;
      this.#settle();
      this.onlink(false);
      setTimeout(() => this.#connect(), this.#wait);
      this.#wait = Math.min(2 * this.#wait, MAX_WAIT);
    };
  }

  #send() {
    if (this.#sent || !this.#waiting || this.#socket?.readyState !== WebSocket.OPEN) return;
    const { stroke, done } = this.#waiting;
    this.#sent = { ...this.#waiting, id: ++this.#id, time: performance.now() };
    this.#waiting = null;
    this.#socket.send(JSON.stringify({ id: this.#id, stroke, done }));
    this.#sent.timer = setTimeout(() => {
      this.#timeout = Math.min(2 * this.#timeout, MAX_TIMEOUT); // the server may just be slow
      this.#socket.close();
    }, this.#timeout);
  }

  #receive(answer) {
    const sent = this.#sent;
    if (sent?.id !== answer.id) return;
    this.#settle();
    this.#timeout = MIN_TIMEOUT;
    const ms = performance.now() - sent.time;
    if (answer.error) this.onerror(answer.error);
    else if (!sent.dropped) {
      this.onanswer(answer, sent.about);
      dispatchEvent(new CustomEvent("egem:answer", { detail: { ms } }));
    }
    this.#send();
  }

  #settle() {
    clearTimeout(this.#sent?.timer);
    this.#sent = null;
  }
}
