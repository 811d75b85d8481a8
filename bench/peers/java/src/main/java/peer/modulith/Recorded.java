package peer.modulith;

import org.springframework.modulith.events.Externalized;

/** What the business has recorded; where it goes is said in {@link Externalization}. */
@Externalized
record Recorded(long id, long key, long at, String pad) {
  /** Padded to so many bytes of JSON, if it is not longer by itself. */
  static Recorded of(long id, long key, long at, int bytes) {
    var bare = "{'id':%d,'key':%d,'at':%d,'pad':''}".formatted(id, key, at);
    return new Recorded(id, key, at, "x".repeat(Math.max(0, bytes - bare.length())));
  }
}
