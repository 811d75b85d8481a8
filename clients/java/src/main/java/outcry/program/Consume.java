package outcry.program;

import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import outcry.consumer.Action;
import outcry.consumer.ConsumerException;
import outcry.consumer.Event;
import outcry.consumer.EventConsumer;
import outcry.contract.Contract;

/** {@code consume}: settles a number of messages. */
final class Consume {
  /** Unless told otherwise. */
  static final int WITHIN_SECONDS = 60;

  private Consume() {}

  static void run(Arguments arguments) throws ProgramException, InterruptedException {
    int count = arguments.count("--count");
    int within = arguments.count("--within", WITHIN_SECONDS);
    AtomicInteger settled = new AtomicInteger();
    AtomicReference<EventConsumer> self = new AtomicReference<>();
    Timer timer = new Timer(true);
    try (EventConsumer consumer =
        EventConsumer.of(Environment.amqp(), arguments.one("--queue"), arguments.all("--topic"))
            .prefetch(Math.min(count, EventConsumer.Builder.PREFETCH))
            .handler(event -> {})
            .onSettled(
                event -> {
                  Output.print(line(event));
                  if (settled.incrementAndGet() == count) {
                    self.get().close();
                  }
                })
            .build()) {
      self.set(consumer);
      timer.schedule(
          new TimerTask() {
            @Override
            public void run() {
              consumer.close();
            }
          },
          within * 1_000L);
      consumer.run();
    } catch (ConsumerException e) {
      throw new ProgramException(e.getMessage(), e);
    } finally {
      timer.cancel();
    }
    if (settled.get() < count) {
      throw new ProgramException(
          settled + " of " + count + " messages came within " + within + " seconds");
    }
  }

  private static JsonObject line(Event event) {
    JsonObject line = new JsonObject();
    line.addProperty("event_id", event.id());
    line.addProperty("topic", event.topic());
    line.addProperty("type", event.type());
    line.addProperty("sha256", event.sha256());
    line.addProperty("schema", event.schema().toString());
    line.addProperty("action", event.action().toString());
    line.add("violations", Output.violations(event.violations()));
    if (event.action() == Action.HANDLED) {
      try {
        line.add("event", Contract.own().json(event.envelope()));
      } catch (InvalidProtocolBufferException e) {
        throw new IllegalStateException("an event that was handled has a JSON form", e);
      }
    }
    return line;
  }
}
