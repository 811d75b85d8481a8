// Bytes that a page has had from the network, headers with them.

/** Counts for one page. */
export class Transferred {
  #bytes = new Map();
  /** Answers that have come whole. */
  answers = 0;

  /** Begins to count, before the page goes anywhere. */
  static async of(page) {
    const one = new Transferred();
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    session.on("Network.responseReceived", ({ requestId, response }) =>
      one.#bytes.set(requestId, response.encodedDataLength),
    );
    // Streams have no end: what has come of them counts as it comes.
    session.on("Network.dataReceived", ({ requestId, encodedDataLength, dataLength }) => {
      const known = one.#bytes.get(requestId) ?? 0;
      one.#bytes.set(requestId, known + (encodedDataLength || dataLength));
    });
    session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      one.answers += 1;
      one.#bytes.set(requestId, encodedDataLength);
    });
    return one;
  }

  get bytes() {
    return [...this.#bytes.values()].reduce((sum, one) => sum + one, 0);
  }
}
