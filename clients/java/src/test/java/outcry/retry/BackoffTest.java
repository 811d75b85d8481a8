package outcry.retry;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class BackoffTest {
  @Test
  void pausesDoubleUpToTheLongest() {
    Backoff whole = new Backoff(() -> 1);
    assertEquals(Backoff.FIRST, whole.after(1));
    assertEquals(Backoff.FIRST.multipliedBy(4), whole.after(3));
    assertEquals(Backoff.LONGEST, whole.after(20));
    assertEquals(Backoff.LONGEST, whole.after(Integer.MAX_VALUE));
  }

  @Test
  void chanceTakesUpToHalfOfAPause() {
    assertEquals(Duration.ofMillis(50), new Backoff(() -> 0).after(1));
    assertEquals(Duration.ofMillis(75), new Backoff(() -> 0.5).after(1));
  }
}
