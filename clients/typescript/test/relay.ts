import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { once } from "node:events";

/** Passes bytes on to a server; its connections can be cut as a network would. */
export class Relay {
  readonly #sockets = new Set<Socket>();
  readonly #server;

  constructor(host: string, port: number) {
    this.#server = createServer((near) => {
      const far = connect(port, host);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
  }

  /** Starts; answers with the port. */
  async open(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts every connection there is; new ones are let in. Answers how many sockets were cut. */
  cut(): number {
    const cut = this.#sockets.size;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    return cut;
  }

  close(): void {
    this.#server.close();
    this.cut();
  }
}
