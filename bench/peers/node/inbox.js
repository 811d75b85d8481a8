import pg from "pg";

/** How many connections to the database a job has. */
const CONNECTIONS_MAX = 8;

// Statements with a name are prepared once on each connection.
const REMEMBER = {
  name: "remember",
  text: "INSERT INTO peer_inbox (message_id) VALUES ($1) ON CONFLICT DO NOTHING",
};
const TAKE_EFFECT = {
  name: "take-effect",
  text: "INSERT INTO peer_effect (message_id, body) VALUES ($1, $2)",
};

/** Lets a message have its effect once, however often it is delivered. */
export class Inbox {
  #pool;

  static async open(url) {
    const inbox = new Inbox();
    // A connection stays although it is idle between two rounds.
    inbox.#pool = new pg.Pool({ connectionString: url, max: CONNECTIONS_MAX, idleTimeoutMillis: 0 });
    inbox.#pool.on("error", (error) => console.error(`peer: an idle connection failed: ${error.message}`));
    await inbox.#pool.query("SELECT 1");
    return inbox;
  }

  /** Tells whether the message was new. */
  async handle(messageId, body) {
    const client = await this.#pool.connect();
    try {
      await client.query("BEGIN");
      const remembered = await client.query({ ...REMEMBER, values: [messageId] });
      const isNew = remembered.rowCount === 1;
      if (isNew) {
        await client.query({ ...TAKE_EFFECT, values: [messageId, body] });
      }
      await client.query("COMMIT");
      client.release();
      return isNew;
    } catch (error) {
      // The connection goes: what state it is in is not known.
      client.release(error);
      throw error;
    }
  }

  async close() {
    await this.#pool.end();
  }
}
