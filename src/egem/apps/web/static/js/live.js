// The stroke while it grows: one question at a time on a WebSocket, the newest stroke next.

const FIRST_WAIT = 250; // ms before the connection is made anew; doubled up to LONGEST_WAIT
const LONGEST_WAIT = 4000;
const PATIENCE = 5000; // ms after which a question counts as lost; doubled each time
const MOST_PATIENCE = 60000;

/** A line to the experts that mends itself. */
export class Live {
  #socket = null;
  #waiting = null; // the newest question that was not sent
  #asked = null; // the question under way
  #wait = FIRST_WAIT;
  #patience = PATIENCE;
  #id = 0;

  /**
   * @param onanswer called with the verdict and the question's `about`
   * @param onerror called with {what, remedy}
   * @param onlink called with true and false as the line comes and goes
   */
  constructor(onanswer, onerror, onlink) {
    this.onanswer = onanswer;
    this.onerror = onerror;
    this.onlink = onlink;
  }

  /** Make the connection, and from then on keep it. */
  open() {
    this.#connect();
  }

  /** Ask about a stroke; a question that still waits is replaced. */
  ask(stroke, done, about) {
    this.#waiting = { stroke, done, about };
    this.#send();
  }

  /** Forget what was asked; answers to it are dropped. */
  forget() {
    this.#waiting = null;
    if (this.#asked) this.#asked.dropped = true;
  }

  #connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/live`);
    this.#socket = socket;
    socket.onopen = () => {
      this.#wait = FIRST_WAIT;
      this.onlink(true);
      this.#send();
    };
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = () => {
      if (this.#asked && !this.#asked.dropped) this.#waiting ??= this.#asked;
      this.#settle();
      this.onlink(false);
      setTimeout(() => this.#connect(), this.#wait);
      this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
    };
  }

  #send() {
    if (this.#asked || !this.#waiting || this.#socket?.readyState !== WebSocket.OPEN) return;
    const { stroke, done } = this.#waiting;
    this.#asked = { ...this.#waiting, id: ++this.#id, sent: performance.now() };
    this.#waiting = null;
    this.#socket.send(JSON.stringify({ id: this.#id, stroke, done }));
    this.#asked.timer = setTimeout(() => {
      this.#patience = Math.min(2 * this.#patience, MOST_PATIENCE); // the server may just be slow
      this.#socket.close();
    }, this.#patience);
  }

  #receive(answer) {
    const asked = this.#asked;
    if (asked?.id !== answer.id) return;
    this.#settle();
    this.#patience = PATIENCE;
    const ms = performance.now() - asked.sent;
    if (answer.error) this.onerror(answer.error);
    else if (!asked.dropped) {
      this.onanswer(answer, asked.about);
      dispatchEvent(new CustomEvent("egem:answer", { detail: { ms } }));
    }
    this.#send();
  }

  #settle() {
    clearTimeout(this.#asked?.timer);
    this.#asked = null;
  }
}
