// A Peer turns the events of a WebSocket into promises. No imports: the browser gets this
// file as the text of an inline script.

export class Peer {
  #arrived = [];
  #receivers = [];

  /** @param {WebSocket} socket one that is still connecting */
  constructor(socket) {
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    this.closed = new Promise((resolve) => {
      socket.addEventListener('close', ({ code, reason, wasClean }) => resolve({ code, reason, wasClean }));
    });
    this.opened = new Promise((resolve, reject) => {
      socket.addEventListener('open', () => resolve());
      // Where the opening handshake fails, undici has an error event and no close event. After
      // that the close event tells more; still ws throws error events that nobody listens to.
      socket.addEventListener('error', () => reject(new Error('the opening handshake failed')));
    });
    this.opened.catch(() => {});
    socket.addEventListener('message', ({ data }) => {
      const receiver = this.#receivers.shift();
      if (receiver) receiver.resolve(data);
      else this.#arrived.push(data);
    });
    this.closed.then(({ code }) => {
      for (const { reject } of this.#receivers.splice(0)) reject(new Error(`closed with ${code} instead of a message`));
    });
  }

  /** @returns {Promise<string|ArrayBuffer>} the next message; it fails when the connection closes */
  receive() {
    if (this.#arrived.length > 0) return Promise.resolve(this.#arrived.shift());
    if (this.socket.readyState === 3) return Promise.reject(new Error('receive on a closed connection'));
    return new Promise((resolve, reject) => this.#receivers.push({ resolve, reject }));
  }

  /** sends a message and returns the one that comes back */
  async echo(message) {
    this.socket.send(message);
    return this.receive();
  }

  /** closes, with a code or without, and returns how the connection ended */
  async close(...codeAndReason) {
    this.socket.close(...codeAndReason);
    return this.closed;
  }
}
