package outcry.consumer;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class RecentEventsTest {
  @Test
  void theOldestIdIsForgottenFirst() {
    RecentEvents memory = new RecentEvents(2);
    memory.add("a");
    memory.add("b");
    memory.add("b");
    assertTrue(memory.contains("a"));
    memory.add("c");
    assertFalse(memory.contains("a"));
    assertTrue(memory.contains("b"));
    assertTrue(memory.contains("c"));
  }

  @Test
  void aMemoryHoldsSomething() {
    assertThrows(IllegalArgumentException.class, () -> new RecentEvents(0));
  }
}
