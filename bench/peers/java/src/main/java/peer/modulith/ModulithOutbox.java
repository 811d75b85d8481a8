package peer.modulith;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import org.springframework.boot.Banner;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.modulith.events.ApplicationModuleListener;
import peer.Arguments;
import peer.Driver;
import peer.Endpoint;
import peer.Latencies;

/** Spring Modulith's event publication registry: writer and relay are one application. */
@SpringBootApplication
public class ModulithOutbox {
  /** Transactions of the business at a time. */
  private static final int WRITERS = 8;

  /** Threads of the relay: what Boot gives such listeners if nothing is said. */
  private static final int RELAYS = 8;

  /** Relays all the time, and writes when it is told to. */
  public static void run(Arguments arguments) throws Exception {
    var application =
        new SpringApplicationBuilder(ModulithOutbox.class)
            .web(WebApplicationType.NONE)
            .bannerMode(Banner.Mode.OFF)
            .properties(properties(arguments));
    var writers = Executors.newFixedThreadPool(WRITERS);
    try (var context = application.run()) {
      var business = context.getBean(Business.class);
      var version = ApplicationModuleListener.class.getPackage().getImplementationVersion();
      Driver.serve("spring-modulith " + version, () -> write(business, writers, arguments));
    }
  }

  private static Map<String, Object> properties(Arguments arguments) {
    var broker = Endpoint.parse(arguments.text("amqp"), 5672);
    var database = Endpoint.parse(arguments.text("postgres"), 5432);
    var properties = new HashMap<String, Object>();
    properties.put("spring.datasource.url", database.jdbcUrl());
    properties.put("spring.datasource.username", database.user());
    properties.put("spring.datasource.password", database.password());
    properties.put("spring.datasource.hikari.maximum-pool-size", WRITERS + RELAYS);
    properties.put("spring.task.execution.pool.core-size", RELAYS);
    properties.put("spring.rabbitmq.host", broker.host());
    properties.put("spring.rabbitmq.port", broker.port());
    properties.put("spring.rabbitmq.username", broker.user());
    properties.put("spring.rabbitmq.password", broker.password());
    properties.put("spring.rabbitmq.virtual-host", broker.name().isEmpty() ? "/" : broker.name());
    properties.put("spring.rabbitmq.publisher-confirm-type", "correlated");
    properties.put("spring.rabbitmq.publisher-returns", true);
    properties.put("spring.rabbitmq.template.mandatory", true);
    properties.put("spring.modulith.events.jdbc.schema-initialization.enabled", true);
    properties.put("spring.modulith.events.republish-outstanding-events-on-restart", true);
    // What is done stays in the table unless the driver asks for something else.
    properties.put(
        "spring.modulith.events.completion-mode", arguments.text("completion-mode", "update"));
    properties.put("peer.exchange", arguments.text("exchange"));
    properties.put("peer.resubmit-ms", arguments.text("resubmit-ms", "1000"));
    return properties;
  }

  private static Map<String, Object> write(
      Business business, ExecutorService writers, Arguments arguments) throws Exception {
    int count = arguments.number("count");
    int keys = arguments.number("keys");
    int rate = arguments.number("rate");
    int bytes = arguments.number("body-bytes");
    var transactions = new Latencies(count);
    var commits = new Latencies(count);
    long first = business.nextId();
    long started = System.nanoTime();
    var working = new ArrayList<Future<?>>();
    for (int i = 0; i < WRITERS; i++) {
      int writer = i;
      Callable<Void> writing =
          () -> {
            for (int index = 0; index < count; index++) {
              long id = first + index;
              long key = id % keys;
              // One writer for all of a key, so that its ids ascend in the order of commits.
              if (key % WRITERS == writer) {
                waitUntil(rate == 0 ? started : started + index * 1_000_000_000L / rate);
                long begun = System.nanoTime();
                business.record(id, key, bytes, commits);
                transactions.note(System.nanoTime() - begun);
              }
            }
            return null;
          };
      working.add(writers.submit(writing));
    }
    for (var writer : working) {
      writer.get();
    }
    var result = new LinkedHashMap<String, Object>();
    result.put("count", count);
    result.put("seconds", (System.nanoTime() - started) / 1e9);
    result.put("commit_p50_us", commits.percentileMicros(50));
    result.put("commit_p99_us", commits.percentileMicros(99));
    result.put("transaction_p50_us", transactions.percentileMicros(50));
    result.put("transaction_p99_us", transactions.percentileMicros(99));
    return result;
  }

  private static void waitUntil(long nanoTime) {
    for (long left = nanoTime - System.nanoTime(); left > 0; left = nanoTime - System.nanoTime()) {
      LockSupport.parkNanos(left);
    }
  }
}
